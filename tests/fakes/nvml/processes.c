/* Who holds memory, `compute.PID`, `graphics.PID` and `mps.PID`, and who is busy, `activity.PID`.
 *
 * The bare names answer the structs of 16 bytes that their first version had, the others those of 24.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake.h"

enum { MOST = 1024 };

static unsigned int collect(nvmlDevice_t device, const char *list, unsigned int instance, nvmlProcessInfo_t *found,
                            unsigned int count)
{
    char own[32], prefix[64];
    snprintf(prefix, sizeof prefix, "%s.%s.", prefix_of(device_at(device->gpu, instance), own), list);
    for (const struct entry *entry = first(prefix); begins(entry, prefix) && count < MOST; entry++) {
        bool told = strcmp(entry->value, "n/a") != 0;
        found[count++] = (nvmlProcessInfo_t){
            .pid = (unsigned int)strtoul(entry->key + strlen(prefix), NULL, 10),
            .usedGpuMemory = told ? strtoull(entry->value, NULL, 0) : (unsigned long long)NVML_VALUE_NOT_AVAILABLE,
            .gpuInstanceId = instance ? instance : 0xFFFFFFFF,
            .computeInstanceId = instance ? 0 : 0xFFFFFFFF,
        };
    }
    return count;
}

/* The GPU lists what runs on its instances as well; an instance lists its own. */
static nvmlReturn_t processes(const char *call, nvmlDevice_t device, const char *list, unsigned int *count,
                              nvmlProcessInfo_t *found)
{
    nvmlReturn_t code = enter(call, device);
    *count = 0;
    if (code != NVML_SUCCESS)
        return code;
    *count = collect(device, list, device->instance, found, 0);
    for (unsigned int id = 1; !device->instance && id < MAX_INSTANCES; id++)
        *count = collect(device, list, id, found, *count);
    return NVML_SUCCESS;
}

#define LISTED(call, type, list, each)                                           \
    nvmlReturn_t call(nvmlDevice_t device, unsigned int *count, type *out)       \
    {                                                                            \
        nvmlProcessInfo_t found[MOST];                                           \
        unsigned int room = *count;                                              \
        nvmlReturn_t code = processes(__func__, device, list, count, found);     \
        if (code == NVML_SUCCESS && *count > room)                               \
            return NVML_ERROR_INSUFFICIENT_SIZE;                                 \
        for (unsigned int i = 0; i < *count; i++)                                \
            out[i] = (type)each(found[i]);                                       \
        return code;                                                             \
    }
#define SHORT(one) {one.pid, one.usedGpuMemory}
#define LONG(one) {one.pid, one.usedGpuMemory, one.gpuInstanceId, one.computeInstanceId}

LISTED(nvmlDeviceGetComputeRunningProcesses, nvmlProcessInfo_v1_t, "compute", SHORT)
LISTED(nvmlDeviceGetComputeRunningProcesses_v2, nvmlProcessInfo_v2_t, "compute", LONG)
LISTED(nvmlDeviceGetComputeRunningProcesses_v3, nvmlProcessInfo_t, "compute", LONG)
LISTED(nvmlDeviceGetGraphicsRunningProcesses, nvmlProcessInfo_v1_t, "graphics", SHORT)
LISTED(nvmlDeviceGetGraphicsRunningProcesses_v2, nvmlProcessInfo_v2_t, "graphics", LONG)
LISTED(nvmlDeviceGetGraphicsRunningProcesses_v3, nvmlProcessInfo_t, "graphics", LONG)
LISTED(nvmlDeviceGetMPSComputeRunningProcesses, nvmlProcessInfo_v1_t, "mps", SHORT)
LISTED(nvmlDeviceGetMPSComputeRunningProcesses_v2, nvmlProcessInfo_v2_t, "mps", LONG)
LISTED(nvmlDeviceGetMPSComputeRunningProcesses_v3, nvmlProcessInfo_t, "mps", LONG)

/* `SM MEMORY ENCODER DECODER`, per cent, sampled just now unless a time in µs follows. */
static nvmlProcessUtilizationSample_t sample(const struct entry *entry, const char *prefix)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    nvmlProcessUtilizationSample_t one = {
        .pid = (unsigned int)strtoul(entry->key + strlen(prefix), NULL, 10),
        .timeStamp = (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000,
    };
    sscanf(entry->value, "%u %u %u %u %llu", &one.smUtil, &one.memUtil, &one.encUtil, &one.decUtil, &one.timeStamp);
    return one;
}

nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device, nvmlProcessUtilizationSample_t *out,
                                             unsigned int *count, unsigned long long since)
{
    ENTER(device);
    if (mig_enabled(device->gpu))
        return NVML_ERROR_NOT_SUPPORTED;
    char prefix[32];
    unsigned int found = 0, room = *count;
    snprintf(prefix, sizeof prefix, "gpu%u.activity.", device->gpu);
    for (const struct entry *entry = first(prefix); begins(entry, prefix); entry++) {
        nvmlProcessUtilizationSample_t one = sample(entry, prefix);
        if (one.timeStamp <= since)
            continue;
        if (out && found < room)
            out[found] = one;
        found++;
    }
    *count = found;
    if (!found)
        return NVML_ERROR_NOT_FOUND;
    return out && found <= room ? NVML_SUCCESS : NVML_ERROR_INSUFFICIENT_SIZE;
}
