/* Event sets. A test posts `event.N=GPU TYPE DATA` with N rising; what is older than a registration is not told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake.h"

struct nvmlEventSet_st {
    unsigned long long types[MAX_GPUS];
    unsigned long long told;
};

struct event { unsigned long long number, type, data; unsigned int gpu; };

NUMBER(nvmlDeviceGetSupportedEventTypes, unsigned long long, "events")

nvmlReturn_t nvmlEventSetCreate(nvmlEventSet_t *set)
{
    if (!initialised())
        return NVML_ERROR_UNINITIALIZED;
    *set = calloc(1, sizeof **set);
    return *set ? NVML_SUCCESS : NVML_ERROR_MEMORY;
}

nvmlReturn_t nvmlEventSetFree(nvmlEventSet_t set)
{
    free(set);
    return NVML_SUCCESS;
}

/* The oldest one after `after` that the set waits for; any at all where there is no set. */
static bool next(const struct nvmlEventSet_st *set, unsigned long long after, struct event *oldest)
{
    bool found = false;
    for (const struct entry *entry = first("event."); begins(entry, "event."); entry++) {
        struct event one = {.number = strtoull(entry->key + strlen("event."), NULL, 10)};
        if (sscanf(entry->value, "%u %lli %lli", &one.gpu, (long long *)&one.type, (long long *)&one.data) < 2)
            continue;
        bool wanted = one.gpu < MAX_GPUS && (!set || set->types[one.gpu] & one.type);
        if (wanted && one.number > after && (!found || one.number < oldest->number)) {
            *oldest = one;
            found = true;
        }
    }
    return found;
}

/* Nothing is registered when a single type is not supported. */
nvmlReturn_t nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long types, nvmlEventSet_t set)
{
    unsigned long long supported = 0;
    nvmlReturn_t code = get(__func__, device, &supported, "events");
    if (code != NVML_SUCCESS)
        return code;
    if (types & ~supported)
        return NVML_ERROR_NOT_SUPPORTED;
    struct event last;
    while (next(NULL, set->told, &last))
        set->told = last.number;
    set->types[device->gpu] |= types;
    return NVML_SUCCESS;
}

static bool one_is_lost(const struct nvmlEventSet_st *set)
{
    unsigned long long code = 0;
    for (unsigned int gpu = 0; gpu < MAX_GPUS; gpu++)
        if (set->types[gpu] && number(&code, "gpu%u.fault", gpu) && code == NVML_ERROR_GPU_IS_LOST)
            return true;
    return false;
}

nvmlReturn_t nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data, unsigned int timeout_ms)
{
    for (long long left_ms = timeout_ms;; left_ms -= 10) {
        nvmlReturn_t code = fault(__func__, -1);
        struct event event;
        if (code != NVML_SUCCESS)
            return code;
        if (one_is_lost(set))
            return NVML_ERROR_GPU_IS_LOST;
        if (next(set, set->told, &event)) {
            set->told = event.number;
            *data = (nvmlEventData_t){device_at(event.gpu, 0), event.type, event.data, 0xFFFFFFFF, 0xFFFFFFFF};
            return NVML_SUCCESS;
        }
        if (left_ms <= 0)
            return NVML_ERROR_TIMEOUT;
        nanosleep(&(struct timespec){0, 10 * 1000000}, NULL);
    }
}
