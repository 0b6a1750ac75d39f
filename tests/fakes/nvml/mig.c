/* MIG mode, and what instances a GPU offers: `gpuN.profile.NUMBER=ID SLICES INSTANCES SMS MIB START:SIZE,… NAME`.
 *
 * NUMBER is the constant of nvml.h that asks for a profile, ID the driver's own name for it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

bool profile_by_number(unsigned int gpu, unsigned int wanted, struct profile *profile)
{
    char places[128];
    const char *text = value("gpu%u.profile.%u", gpu, wanted);
    *profile = (struct profile){.number = wanted};
    if (!text
        || sscanf(text, "%u %u %u %u %u %127s %31[^\n]", &profile->id, &profile->slices, &profile->instances,
                  &profile->multiprocessors, &profile->memory_mib, places, profile->name) != 7)
        return false;
    char *rest = NULL;
    for (char *one = strtok_r(places, ",", &rest); one; one = strtok_r(NULL, ",", &rest)) {
        nvmlGpuInstancePlacement_t *at = &profile->placements[profile->placement_count];
        if (profile->placement_count < 8 && sscanf(one, "%u:%u", &at->start, &at->size) == 2)
            profile->placement_count++;
    }
    return true;
}

bool profile_by_id(unsigned int gpu, unsigned int id, struct profile *profile)
{
    for (unsigned int wanted = 0; wanted < NVML_GPU_INSTANCE_PROFILE_COUNT; wanted++)
        if (profile_by_number(gpu, wanted, profile) && profile->id == id)
            return true;
    return false;
}

bool profile_of_instance(unsigned int gpu, unsigned int id, struct profile *profile, nvmlGpuInstancePlacement_t *at)
{
    unsigned int profile_id, start, size;
    const char *text = value("gpu%u.gi%u", gpu, id);
    if (!text || sscanf(text, "%u %u %u", &profile_id, &start, &size) != 3)
        return false;
    if (at)
        *at = (nvmlGpuInstancePlacement_t){start, size};
    return profile_by_id(gpu, profile_id, profile);
}

nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
    unsigned long long now = 0, later = 0;
    nvmlReturn_t code = get(__func__, device, &now, "mig.current");
    if (code != NVML_SUCCESS)
        return code;
    *current = (unsigned int)now;
    *pending = number(&later, "gpu%u.mig.pending", device->gpu) ? (unsigned int)later : *current;
    return NVML_SUCCESS;
}

/* `mig.activation` is the status of a change that cannot be made now: 16 on Ampere, whose GPU must be reset. */
nvmlReturn_t nvmlDeviceSetMigMode(nvmlDevice_t device, unsigned int mode, nvmlReturn_t *status)
{
    unsigned long long current = 0, held_up = 0;
    nvmlReturn_t code = get(__func__, device, &current, "mig.current");
    if (code != NVML_SUCCESS)
        return code;
    char key[64], text[8];
    snprintf(text, sizeof text, "%u", mode ? 1U : 0U);
    number(&held_up, "gpu%u.mig.activation", device->gpu);
    int lock = lock_partition();
    if (value("gpu%u.mig.alone", device->gpu) && other_clients())
        held_up = NVML_ERROR_IN_USE;
    for (unsigned int id = 1; id < MAX_INSTANCES; id++)
        if (instance_exists(device->gpu, id))
            held_up = NVML_ERROR_IN_USE;
    *status = (nvmlReturn_t)held_up;
    snprintf(key, sizeof key, "gpu%u.mig.pending", device->gpu);
    write_partition(key, text);
    snprintf(key, sizeof key, "gpu%u.mig.current", device->gpu);
    if (!held_up)
        write_partition(key, text);
    unlock_partition(lock);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfo(nvmlDevice_t device, unsigned int wanted,
                                                 nvmlGpuInstanceProfileInfo_t *info)
{
    ENTER(device);
    struct profile profile;
    if (!profile_by_number(device->gpu, wanted, &profile))
        return NVML_ERROR_NOT_SUPPORTED;
    *info = (nvmlGpuInstanceProfileInfo_t){
        .id = profile.id, .sliceCount = profile.slices, .instanceCount = profile.instances,
        .multiprocessorCount = profile.multiprocessors, .copyEngineCount = profile.slices,
        .memorySizeMB = profile.memory_mib,
    };
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceProfileInfoV(nvmlDevice_t device, unsigned int wanted,
                                                  nvmlGpuInstanceProfileInfo_v2_t *info)
{
    ENTER(device);
    struct profile profile;
    if (info->version != nvmlGpuInstanceProfileInfo_v2)
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (!profile_by_number(device->gpu, wanted, &profile))
        return NVML_ERROR_NOT_SUPPORTED;
    *info = (nvmlGpuInstanceProfileInfo_v2_t){
        .version = nvmlGpuInstanceProfileInfo_v2, .id = profile.id, .sliceCount = profile.slices,
        .instanceCount = profile.instances, .multiprocessorCount = profile.multiprocessors,
        .copyEngineCount = profile.slices, .memorySizeMB = profile.memory_mib,
    };
    return copy_text(profile.name, info->name, sizeof info->name);
}

/* For the calls that need MIG mode and a profile that the GPU offers. */
nvmlReturn_t enter_profile(const char *call, nvmlDevice_t device, unsigned int id, struct profile *profile)
{
    nvmlReturn_t code = enter(call, device);
    if (code != NVML_SUCCESS)
        return code;
    return mig_enabled(device->gpu) && profile_by_id(device->gpu, id, profile) ? NVML_SUCCESS
                                                                              : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetGpuInstancePossiblePlacements_v2(nvmlDevice_t device, unsigned int id,
                                                           nvmlGpuInstancePlacement_t *placements, unsigned int *count)
{
    struct profile profile;
    nvmlReturn_t code = enter_profile(__func__, device, id, &profile);
    if (code != NVML_SUCCESS)
        return code;
    if (placements && *count < profile.placement_count)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    *count = profile.placement_count;
    if (placements)
        memcpy(placements, profile.placements, *count * sizeof *placements);
    return NVML_SUCCESS;
}
