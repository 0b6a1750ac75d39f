/* The machine: versions, how many GPUs, which handle belongs to which name. */
#include <stdio.h>
#include <string.h>

#include "fake.h"

static const char *const SENTENCES[] = {
    "Success", "Uninitialized", "Invalid Argument", "Not Supported", "Insufficient Permissions", "Already Initialized",
    "Not Found", "Insufficient Size", "Insufficient External Power", "Driver Not Loaded", "Timeout",
    "Interrupt Request Issue", "NVML Shared Library Not Found", "Function Not Found", "Corrupted infoROM",
    "GPU is lost", "GPU requires reset", "The operating system has blocked the request",
    "Driver/library version mismatch", "In use by another client", "Insufficient Memory", "No data",
    "vGPU ECC not supported", "Insufficient Resources", "Frequency Not Supported", "Argument version mismatch",
    "Deprecated", "Not Ready", "GPU not found", "Invalid State", "Reset type not supported",
};

const char *nvmlErrorString(nvmlReturn_t result)
{
    size_t count = sizeof SENTENCES / sizeof *SENTENCES;
    return (size_t)result < count ? SENTENCES[result] : "Unknown Error";
}

static nvmlReturn_t enter_system(const char *call)
{
    return initialised() ? fault(call, -1) : NVML_ERROR_UNINITIALIZED;
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
    nvmlReturn_t code = enter_system(__func__);
    return code ? code : copy_text(value("driver"), version, length);
}

/* The one answer that needs no driver, and so no nvmlInit. */
nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
    nvmlReturn_t code = fault(__func__, -1);
    return code ? code : copy_text(value("nvml"), version, length);
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version)
{
    unsigned long long read = 0;
    nvmlReturn_t code = enter_system(__func__);
    if (code == NVML_SUCCESS && !number(&read, "cuda"))
        code = NVML_ERROR_NOT_SUPPORTED;
    *version = (int)read;
    return code;
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version)
{
    return nvmlSystemGetCudaDriverVersion(version);
}

nvmlReturn_t nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int length)
{
    nvmlReturn_t code = enter_system(__func__);
    if (code != NVML_SUCCESS)
        return code;
    char where[64], line[256] = "";
    snprintf(where, sizeof where, "/proc/%u/cmdline", pid);
    FILE *file = fopen(where, "re");
    if (!file)
        return NVML_ERROR_NOT_FOUND;
    line[fread(line, 1, sizeof line - 1, file)] = '\0';
    fclose(file);
    return copy_text(line, name, length);
}

static unsigned int gpu_count(void)
{
    unsigned long long count = 0;
    number(&count, "gpus");
    return count < MAX_GPUS ? (unsigned int)count : MAX_GPUS;
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
    nvmlReturn_t code = enter_system("nvmlDeviceGetCount_v2");
    *count = gpu_count();
    return code;
}

nvmlReturn_t nvmlDeviceGetCount(unsigned int *count)
{
    return nvmlDeviceGetCount_v2(count);
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
    refresh();
    if (!initialised())
        return NVML_ERROR_UNINITIALIZED;
    if (index >= gpu_count())
        return NVML_ERROR_INVALID_ARGUMENT;
    *device = device_at(index, 0);
    return fault(__func__, (int)index);
}

nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t *device)
{
    return nvmlDeviceGetHandleByIndex_v2(index, device);
}

/* The device that has this name under `gpuN.KEY`, or, as a MIG device, under `gpuN.ciM`. */
static nvmlReturn_t find(const char *call, const char *key, const char *name, nvmlDevice_t *device)
{
    refresh();
    if (!initialised())
        return NVML_ERROR_UNINITIALIZED;
    for (unsigned int gpu = 0; gpu < gpu_count(); gpu++) {
        for (unsigned int instance = 0; instance < MAX_INSTANCES; instance++) {
            const char *here = instance ? value("gpu%u.ci%u", gpu, instance) : value("gpu%u.%s", gpu, key);
            if (here && strcasecmp(here, name) == 0) {
                *device = device_at(gpu, instance);
                return fault(call, (int)gpu);
            }
        }
    }
    return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
    return find(__func__, "uuid", uuid, device);
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, nvmlDevice_t *device)
{
    return find(__func__, "pci", bus_id, device);
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId(const char *bus_id, nvmlDevice_t *device)
{
    return nvmlDeviceGetHandleByPciBusId_v2(bus_id, device);
}
