/* Who has the driver open: an empty file `$FAKE_NVML/clients/PID` for each process between nvmlInit and nvmlShutdown. */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake.h"

static void own(char where[600])
{
    char directory[512];
    mkdir(path("clients", directory), 0755);
    snprintf(where, 600, "%s/%d", directory, (int)getpid());
}

void client_begins(void)
{
    char where[600];
    own(where);
    FILE *file = fopen(where, "we");
    if (file)
        fclose(file);
}

void client_ends(void)
{
    char where[600];
    own(where);
    unlink(where);
}

bool other_clients(void)
{
    char where[512];
    bool found = false;
    DIR *directory = opendir(path("clients", where));
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        pid_t pid = (pid_t)atoi(entry->d_name);
        found = found || (pid > 0 && pid != getpid() && (kill(pid, 0) == 0 || errno == EPERM));
    }
    if (directory)
        closedir(directory);
    return found;
}
