/* $FAKE_NVML/state, written by tests, and $FAKE_NVML/partition, written by this library: lines `key=value`.
 *
 * Both are replaced by rename, so a reader sees one version or the other. Each thread keeps a table of its own,
 * which makes locks needless, and looks at both files at the start of each call.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake.h"

static const char *const FILES[] = {"state", "partition"};

static _Thread_local struct entry *entries;
static _Thread_local size_t entry_count;
static _Thread_local char *texts[2];
static _Thread_local struct stat seen[2];

const char *path(const char *name, char buffer[512])
{
    const char *directory = getenv("FAKE_NVML");
    snprintf(buffer, 512, "%s/%s", directory ? directory : ".", name);
    return buffer;
}

static bool changed(const struct stat *old, const struct stat *new)
{
    return old->st_dev != new->st_dev || old->st_ino != new->st_ino || old->st_size != new->st_size
        || old->st_mtim.tv_sec != new->st_mtim.tv_sec || old->st_mtim.tv_nsec != new->st_mtim.tv_nsec;
}

/* The whole file, or an empty text where there is none. */
static char *slurp(const char *name, struct stat *status)
{
    char where[512];
    memset(status, 0, sizeof *status);
    int file = open(path(name, where), O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, status) != 0)
        memset(status, 0, sizeof *status);
    char *text = calloc(1, (size_t)status->st_size + 1);
    if (!text)
        abort();
    for (ssize_t got, length = 0; file >= 0 && length < status->st_size; length += got)
        if ((got = read(file, text + length, (size_t)(status->st_size - length))) <= 0)
            break;
    if (file >= 0)
        close(file);
    return text;
}

/* Splits the text in place; of a key in both files the library's own value comes first. */
static void parse(char *text, bool partition)
{
    for (char *rest, *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *equals = strchr(line, '=');
        if (*line == '#' || !equals)
            continue;
        *equals = '\0';
        if (entry_count % 256 == 0 && !(entries = realloc(entries, (entry_count + 256) * sizeof *entries)))
            abort();
        entries[entry_count++] = (struct entry){line, equals + 1, partition};
    }
}

static int compare(const void *left, const void *right)
{
    const struct entry *one = left, *other = right;
    int order = strcmp(one->key, other->key);
    return order ? order : other->partition - one->partition;
}

void refresh(void)
{
    bool stale = !entries;
    for (int file = 0; file < 2; file++) {
        char where[512];
        struct stat now = {0};
        if (stat(path(FILES[file], where), &now) != 0)
            memset(&now, 0, sizeof now);
        stale = stale || changed(&seen[file], &now);
    }
    if (!stale)
        return;
    free(entries);
    entries = NULL;
    entry_count = 0;
    for (int file = 0; file < 2; file++) {
        free(texts[file]);
        texts[file] = slurp(FILES[file], &seen[file]);
        parse(texts[file], file == 1);
    }
    if (entry_count)
        qsort(entries, entry_count, sizeof *entries, compare);
}

bool begins(const struct entry *entry, const char *prefix)
{
    return entry && entry < entries + entry_count && strncmp(entry->key, prefix, strlen(prefix)) == 0;
}

const struct entry *first(const char *prefix)
{
    size_t low = 0, high = entry_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(entries[middle].key, prefix) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < entry_count ? entries + low : NULL;
}

static const char *look_up(const char *format, va_list arguments)
{
    char key[128];
    vsnprintf(key, sizeof key, format, arguments);
    const struct entry *found = first(key);
    return found && strcmp(found->key, key) == 0 ? found->value : NULL;
}

const char *value(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *found = look_up(format, arguments);
    va_end(arguments);
    return found;
}

bool number(unsigned long long *read, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const char *found = look_up(format, arguments);
    va_end(arguments);
    if (found)
        *read = strtoull(found, NULL, 0);
    return found != NULL;
}

int lock_partition(void)
{
    char where[512];
    int lock = open(path("partition.lock", where), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock >= 0)
        flock(lock, LOCK_EX);
    refresh();
    return lock;
}

void unlock_partition(int lock)
{
    if (lock >= 0)
        close(lock);
}

void write_partition(const char *key, const char *text)
{
    char to[512], from[512];
    FILE *file = fopen(path("partition.new", from), "we");
    if (!file)
        return;
    for (size_t i = 0; i < entry_count; i++)
        if (entries[i].partition && strcmp(entries[i].key, key) != 0)
            fprintf(file, "%s=%s\n", entries[i].key, entries[i].value);
    if (text)
        fprintf(file, "%s=%s\n", key, text);
    fclose(file);
    rename(from, path("partition", to));
    refresh();
}
