/* GPU instances: `gpuN.giM=PROFILE_ID START SIZE`, written by this library into the partition file.
 *
 * M runs from 1 and the lowest free one is taken, so a handle may come back for another instance.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

static struct nvmlGpuInstance_st instances[MAX_GPUS][MAX_INSTANCES];

nvmlGpuInstance_t instance_at(unsigned int gpu, unsigned int id)
{
    instances[gpu][id] = (struct nvmlGpuInstance_st){gpu, id};
    return &instances[gpu][id];
}

bool instance_exists(unsigned int gpu, unsigned int id)
{
    return value("gpu%u.gi%u", gpu, id) != NULL;
}

nvmlReturn_t enter_instance(const char *call, nvmlGpuInstance_t instance)
{
    nvmlReturn_t code = instance ? enter(call, device_at(instance->gpu, 0)) : NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS && !instance_exists(instance->gpu, instance->id))
        return NVML_ERROR_INVALID_ARGUMENT;
    return code;
}

static bool is_free(unsigned int gpu, nvmlGpuInstancePlacement_t at)
{
    struct profile profile;
    nvmlGpuInstancePlacement_t other;
    for (unsigned int id = 1; id < MAX_INSTANCES; id++)
        if (profile_of_instance(gpu, id, &profile, &other) && at.start < other.start + other.size
            && other.start < at.start + at.size)
            return false;
    return true;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceRemainingCapacity(nvmlDevice_t device, unsigned int id, unsigned int *count)
{
    struct profile profile;
    nvmlReturn_t code = enter_profile(__func__, device, id, &profile);
    *count = 0;
    for (unsigned int i = 0; code == NVML_SUCCESS && i < profile.placement_count; i++)
        *count += is_free(device->gpu, profile.placements[i]);
    return code;
}

/* Taken slots and a full GPU are refused with the same code. */
static nvmlReturn_t create(unsigned int gpu, const struct profile *profile, nvmlGpuInstancePlacement_t at,
                           nvmlGpuInstance_t *made)
{
    for (unsigned int id = 1; id < MAX_INSTANCES && is_free(gpu, at); id++) {
        if (instance_exists(gpu, id))
            continue;
        char key[32], text[64];
        snprintf(key, sizeof key, "gpu%u.gi%u", gpu, id);
        snprintf(text, sizeof text, "%u %u %u", profile->id, at.start, at.size);
        write_partition(key, text);
        *made = instance_at(gpu, id);
        return NVML_SUCCESS;
    }
    return NVML_ERROR_INSUFFICIENT_RESOURCES;
}

static bool offers(const struct profile *profile, nvmlGpuInstancePlacement_t at)
{
    for (unsigned int i = 0; i < profile->placement_count; i++)
        if (profile->placements[i].start == at.start && profile->placements[i].size == at.size)
            return true;
    return false;
}

nvmlReturn_t nvmlDeviceCreateGpuInstanceWithPlacement(nvmlDevice_t device, unsigned int id,
                                                      const nvmlGpuInstancePlacement_t *at, nvmlGpuInstance_t *made)
{
    struct profile profile;
    nvmlReturn_t code = enter_profile(__func__, device, id, &profile);
    if (code != NVML_SUCCESS)
        return code;
    if (!offers(&profile, *at))
        return NVML_ERROR_INVALID_ARGUMENT;
    unsigned long long refusal = 0;
    if (number(&refusal, "gpu%u.refuse.%u", device->gpu, id) && refusal)
        return (nvmlReturn_t)refusal;
    int lock = lock_partition();
    code = create(device->gpu, &profile, *at, made);
    unlock_partition(lock);
    return code;
}

/* The driver's own choice: the first place that is free. */
nvmlReturn_t nvmlDeviceCreateGpuInstance(nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *made)
{
    struct profile profile;
    nvmlReturn_t code = enter_profile(__func__, device, id, &profile);
    if (code != NVML_SUCCESS)
        return code;
    int lock = lock_partition();
    code = NVML_ERROR_INSUFFICIENT_RESOURCES;
    for (unsigned int i = 0; code != NVML_SUCCESS && i < profile.placement_count; i++)
        code = create(device->gpu, &profile, profile.placements[i], made);
    unlock_partition(lock);
    return code;
}

nvmlReturn_t nvmlDeviceGetGpuInstances(nvmlDevice_t device, unsigned int profile_id, nvmlGpuInstance_t *out,
                                       unsigned int *count)
{
    struct profile wanted, profile;
    nvmlReturn_t code = enter_profile(__func__, device, profile_id, &wanted);
    *count = 0;
    for (unsigned int id = 1; code == NVML_SUCCESS && id < MAX_INSTANCES; id++)
        if (profile_of_instance(device->gpu, id, &profile, NULL) && profile.id == wanted.id)
            out[(*count)++] = instance_at(device->gpu, id);
    return code;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceById(nvmlDevice_t device, unsigned int id, nvmlGpuInstance_t *instance)
{
    ENTER(device);
    if (id >= MAX_INSTANCES || !instance_exists(device->gpu, id))
        return NVML_ERROR_NOT_FOUND;
    *instance = instance_at(device->gpu, id);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpuInstanceGetInfo(nvmlGpuInstance_t instance, nvmlGpuInstanceInfo_t *info)
{
    nvmlReturn_t code = enter_instance(__func__, instance);
    struct profile profile;
    if (code != NVML_SUCCESS)
        return code;
    info->device = device_at(instance->gpu, 0);
    info->id = instance->id;
    if (!profile_of_instance(instance->gpu, instance->id, &profile, &info->placement))
        return NVML_ERROR_UNKNOWN;
    info->profileId = profile.id;
    return NVML_SUCCESS;
}

bool has_live_processes(unsigned int gpu, unsigned int id)
{
    char prefix[32];
    if (value("gpu%u.gi%u.held", gpu, id))
        return true;
    snprintf(prefix, sizeof prefix, "gpu%u.gi%u.compute.", gpu, id);
    for (const struct entry *entry = first(prefix); begins(entry, prefix); entry++)
        if (kill((pid_t)atoi(entry->key + strlen(prefix)), 0) == 0 || errno == EPERM)
            return true;
    return false;
}

nvmlReturn_t nvmlGpuInstanceDestroy(nvmlGpuInstance_t instance)
{
    nvmlReturn_t code = enter_instance(__func__, instance);
    if (code != NVML_SUCCESS)
        return code;
    char key[32];
    snprintf(key, sizeof key, "gpu%u.gi%u", instance->gpu, instance->id);
    int lock = lock_partition();
    if (value("gpu%u.ci%u", instance->gpu, instance->id) || has_live_processes(instance->gpu, instance->id))
        code = NVML_ERROR_IN_USE;
    else
        write_partition(key, NULL);
    unlock_partition(lock);
    return code;
}
