/* Compute instances, `gpuN.ciM=UUID`, and the MIG devices that they are.
 *
 * One compute instance fills its GPU instance M; smaller ones are not offered. Each gets a new UUID when it is made.
 */
#include <stdio.h>
#include <string.h>

#include "fake.h"

enum { WHOLE = 0 };

static struct nvmlComputeInstance_st computes[MAX_GPUS][MAX_INSTANCES];

static nvmlComputeInstance_t compute_at(unsigned int gpu, unsigned int id)
{
    computes[gpu][id] = (struct nvmlComputeInstance_st){gpu, id};
    return &computes[gpu][id];
}

static bool compute_exists(unsigned int gpu, unsigned int id)
{
    return value("gpu%u.ci%u", gpu, id) != NULL;
}

/* The constants that ask for a compute instance are those of the GPU instance of as many slices. */
static nvmlReturn_t whole(nvmlGpuInstance_t instance, unsigned int wanted, struct profile *profile)
{
    static const unsigned int SLICES[] = {1, 2, 3, 4, 7, 8, 6, 1, 7};
    if (wanted >= NVML_COMPUTE_INSTANCE_PROFILE_COUNT)
        return NVML_ERROR_INVALID_ARGUMENT;
    bool known = profile_of_instance(instance->gpu, instance->id, profile, NULL);
    return known && wanted < 7 && SLICES[wanted] == profile->slices ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfo(nvmlGpuInstance_t instance, unsigned int wanted,
                                                          unsigned int engines, nvmlComputeInstanceProfileInfo_t *info)
{
    (void)engines;
    struct profile profile;
    nvmlReturn_t code = enter_instance(__func__, instance);
    if (code == NVML_SUCCESS)
        code = whole(instance, wanted, &profile);
    if (code == NVML_SUCCESS)
        *info = (nvmlComputeInstanceProfileInfo_t){
            .id = WHOLE, .sliceCount = profile.slices, .instanceCount = 1,
            .multiprocessorCount = profile.multiprocessors,
        };
    return code;
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceProfileInfoV(nvmlGpuInstance_t instance, unsigned int wanted,
                                                           unsigned int engines,
                                                           nvmlComputeInstanceProfileInfo_v2_t *info)
{
    (void)engines;
    struct profile profile;
    nvmlReturn_t code = enter_instance(__func__, instance);
    if (code == NVML_SUCCESS && info->version != nvmlComputeInstanceProfileInfo_v2)
        code = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (code == NVML_SUCCESS)
        code = whole(instance, wanted, &profile);
    if (code != NVML_SUCCESS)
        return code;
    *info = (nvmlComputeInstanceProfileInfo_v2_t){
        .version = nvmlComputeInstanceProfileInfo_v2, .id = WHOLE, .sliceCount = profile.slices, .instanceCount = 1,
        .multiprocessorCount = profile.multiprocessors,
    };
    return copy_text(profile.name, info->name, sizeof info->name);
}

static void new_uuid(char text[64])
{
    char random[37] = "";
    FILE *file = fopen("/proc/sys/kernel/random/uuid", "re");
    if (file && fgets(random, sizeof random, file))
        random[36] = '\0';
    if (file)
        fclose(file);
    snprintf(text, 64, "MIG-%s", random);
}

nvmlReturn_t nvmlGpuInstanceCreateComputeInstance(nvmlGpuInstance_t instance, unsigned int profile_id,
                                                  nvmlComputeInstance_t *made)
{
    nvmlReturn_t code = enter_instance(__func__, instance);
    if (code != NVML_SUCCESS || profile_id != WHOLE)
        return code ? code : NVML_ERROR_NOT_SUPPORTED;
    char key[32], uuid[64];
    snprintf(key, sizeof key, "gpu%u.ci%u", instance->gpu, instance->id);
    new_uuid(uuid);
    int lock = lock_partition();
    if (compute_exists(instance->gpu, instance->id))
        code = NVML_ERROR_INSUFFICIENT_RESOURCES;
    else
        write_partition(key, uuid);
    unlock_partition(lock);
    *made = compute_at(instance->gpu, instance->id);
    return code;
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstances(nvmlGpuInstance_t instance, unsigned int profile_id,
                                                nvmlComputeInstance_t *out, unsigned int *count)
{
    nvmlReturn_t code = enter_instance(__func__, instance);
    *count = code == NVML_SUCCESS && profile_id == WHOLE && compute_exists(instance->gpu, instance->id);
    if (*count)
        *out = compute_at(instance->gpu, instance->id);
    return code;
}

nvmlReturn_t nvmlGpuInstanceGetComputeInstanceById(nvmlGpuInstance_t instance, unsigned int id,
                                                   nvmlComputeInstance_t *compute)
{
    nvmlReturn_t code = enter_instance(__func__, instance);
    if (code == NVML_SUCCESS && (id != WHOLE || !compute_exists(instance->gpu, instance->id)))
        return NVML_ERROR_NOT_FOUND;
    if (code == NVML_SUCCESS)
        *compute = compute_at(instance->gpu, instance->id);
    return code;
}

static nvmlReturn_t enter_compute(const char *call, nvmlComputeInstance_t compute)
{
    nvmlReturn_t code = compute ? enter(call, device_at(compute->gpu, 0)) : NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS && !compute_exists(compute->gpu, compute->id))
        return NVML_ERROR_INVALID_ARGUMENT;
    return code;
}

nvmlReturn_t nvmlComputeInstanceGetInfo_v2(nvmlComputeInstance_t compute, nvmlComputeInstanceInfo_t *info)
{
    struct profile profile;
    nvmlReturn_t code = enter_compute(__func__, compute);
    if (code != NVML_SUCCESS || !profile_of_instance(compute->gpu, compute->id, &profile, NULL))
        return code ? code : NVML_ERROR_UNKNOWN;
    *info = (nvmlComputeInstanceInfo_t){
        .device = device_at(compute->gpu, compute->id), .gpuInstance = instance_at(compute->gpu, compute->id),
        .id = 0, .profileId = WHOLE, .placement = {0, profile.slices},
    };
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlComputeInstanceDestroy(nvmlComputeInstance_t compute)
{
    nvmlReturn_t code = enter_compute(__func__, compute);
    if (code != NVML_SUCCESS)
        return code;
    char key[32];
    snprintf(key, sizeof key, "gpu%u.ci%u", compute->gpu, compute->id);
    int lock = lock_partition();
    if (has_live_processes(compute->gpu, compute->id))
        code = NVML_ERROR_IN_USE;
    else
        write_partition(key, NULL);
    unlock_partition(lock);
    return code;
}
