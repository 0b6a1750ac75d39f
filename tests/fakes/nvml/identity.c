/* What a device is: names, places, modes. */
#include <stdio.h>
#include <string.h>

#include "fake.h"

NUMBER(nvmlDeviceGetMinorNumber, unsigned int, "minor")
NUMBER(nvmlDeviceGetArchitecture, nvmlDeviceArchitecture_t, "architecture")
NUMBER(nvmlDeviceGetBrand, nvmlBrandType_t, "brand")
NUMBER(nvmlDeviceGetPersistenceMode, nvmlEnableState_t, "persistence")
NUMBER(nvmlDeviceGetComputeMode, nvmlComputeMode_t, "compute_mode")

static nvmlReturn_t set(const char *call, nvmlDevice_t device, const char *name, unsigned int to)
{
    unsigned long long now = 0;
    nvmlReturn_t code = get(call, device, &now, "%s", name);
    if (code != NVML_SUCCESS)
        return code;
    char key[64], text[16];
    snprintf(key, sizeof key, "gpu%u.%s", device->gpu, name);
    snprintf(text, sizeof text, "%u", to);
    int lock = lock_partition();
    write_partition(key, text);
    unlock_partition(lock);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceSetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t mode)
{
    return set(__func__, device, "persistence", mode);
}

nvmlReturn_t nvmlDeviceSetComputeMode(nvmlDevice_t device, nvmlComputeMode_t mode)
{
    return set(__func__, device, "compute_mode", mode);
}
NUMBER(nvmlDeviceGetDisplayActive, nvmlEnableState_t, "display_active")
NUMBER(nvmlDeviceGetDisplayMode, nvmlEnableState_t, "display_mode")
NUMBER(nvmlDeviceGetNumGpuCores, unsigned int, "cores")
NUMBER(nvmlDeviceGetMemoryBusWidth, unsigned int, "memory_bus_width")

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
    ENTER(device);
    const char *model = value("gpu%u.name", device->gpu);
    struct profile profile;
    if (!device->instance || !model || !profile_of_instance(device->gpu, device->instance, &profile, NULL))
        return copy_text(model, name, length);
    char text[128];
    snprintf(text, sizeof text, "%s %s", model, profile.name);
    return copy_text(text, name, length);
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
    ENTER(device);
    const char *text = device->instance ? value("gpu%u.ci%u", device->gpu, device->instance)
                                        : value("gpu%u.uuid", device->gpu);
    return copy_text(text, uuid, length);
}

nvmlReturn_t nvmlDeviceGetSerial(nvmlDevice_t device, char *serial, unsigned int length)
{
    ENTER(device);
    return copy_text(value("gpu%u.serial", device->gpu), serial, length);
}

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index)
{
    ENTER(device);
    *index = device->instance ? device->instance - 1 : device->gpu;
    return NVML_SUCCESS;
}

/* A matter of Windows. */
nvmlReturn_t nvmlDeviceGetDriverModel_v2(nvmlDevice_t device, nvmlDriverModel_t *current, nvmlDriverModel_t *pending)
{
    ENTER(device);
    *current = *pending = NVML_DRIVER_WDDM;
    return NVML_ERROR_NOT_SUPPORTED;
}

static nvmlReturn_t fill_pci(const char *bus_id, nvmlPciInfo_t *pci)
{
    memset(pci, 0, sizeof *pci);
    if (!bus_id || sscanf(bus_id, "%x:%x:%x", &pci->domain, &pci->bus, &pci->device) != 3)
        return NVML_ERROR_NOT_SUPPORTED;
    snprintf(pci->busId, sizeof pci->busId, NVML_DEVICE_PCI_BUS_ID_FMT, pci->domain, pci->bus, pci->device);
    snprintf(pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.0", pci->domain & 0xFFFF, pci->bus & 0xFF,
             pci->device & 0xFF);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    ENTER(device);
    unsigned long long id = 0, subsystem = 0;
    nvmlReturn_t code = fill_pci(value("gpu%u.pci", device->gpu), pci);
    number(&id, "gpu%u.pci_device", device->gpu);
    number(&subsystem, "gpu%u.pci_subsystem", device->gpu);
    pci->pciDeviceId = (unsigned int)id;
    pci->pciSubSystemId = (unsigned int)subsystem;
    return code;
}

nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    return nvmlDeviceGetPciInfo_v3(device, pci);
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
    ENTER(device);
    const char *text = value("gpu%u.compute_capability", device->gpu);
    return text && sscanf(text, "%d.%d", major, minor) == 2 ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(nvmlDevice_t one, nvmlDevice_t other, nvmlGpuTopologyLevel_t *level)
{
    ENTER(one);
    ENTER(other);
    unsigned long long read = 0;
    if (!number(&read, "gpu%u.near.%u", one->gpu, other->gpu) && !number(&read, "gpu%u.near.%u", other->gpu, one->gpu))
        return NVML_ERROR_NOT_SUPPORTED;
    *level = (nvmlGpuTopologyLevel_t)read;
    return NVML_SUCCESS;
}
