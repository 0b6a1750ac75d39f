/* MIG devices: what a compute instance looks like to those who use it. Index i is GPU instance i + 1. */
#include "fake.h"

/* 0, without an error, on a GPU that knows no MIG. */
nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count)
{
    ENTER(device);
    *count = value("gpu%u.mig.current", device->gpu) ? MAX_INSTANCES - 1 : 0;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned int index, nvmlDevice_t *mig)
{
    ENTER(device);
    if (!mig_enabled(device->gpu))
        return NVML_ERROR_NOT_SUPPORTED;
    if (index >= MAX_INSTANCES - 1)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (!value("gpu%u.ci%u", device->gpu, index + 1))
        return NVML_ERROR_NOT_FOUND;
    *mig = device_at(device->gpu, index + 1);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int *is_mig)
{
    ENTER(device);
    *is_mig = device->instance != 0;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvmlDevice_t mig, nvmlDevice_t *device)
{
    ENTER(mig);
    *device = device_at(mig->gpu, 0);
    return mig->instance ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t device, unsigned int *id)
{
    ENTER(device);
    *id = device->instance;
    return device->instance ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetComputeInstanceId(nvmlDevice_t device, unsigned int *id)
{
    ENTER(device);
    *id = 0;
    return device->instance ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetAttributes_v2(nvmlDevice_t device, nvmlDeviceAttributes_t *attributes)
{
    ENTER(device);
    struct profile profile;
    if (!device->instance || !profile_of_instance(device->gpu, device->instance, &profile, NULL))
        return NVML_ERROR_NOT_SUPPORTED;
    *attributes = (nvmlDeviceAttributes_t){
        .multiprocessorCount = profile.multiprocessors, .gpuInstanceSliceCount = profile.slices,
        .computeInstanceSliceCount = profile.slices, .memorySizeMB = profile.memory_mib,
    };
    return NVML_SUCCESS;
}
