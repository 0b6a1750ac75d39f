/* What has added up: ECC, remapped rows, PCIe and NVLink. */
#include <stdio.h>
#include <string.h>

#include "fake.h"

static const char *const ERRORS[] = {"corrected", "uncorrected"};
static const char *const SINCE[] = {"volatile", "aggregate"};

NUMBER(nvmlDeviceGetCurrPcieLinkGeneration, unsigned int, "pcie.generation")
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration, unsigned int, "pcie.max_generation")
NUMBER(nvmlDeviceGetCurrPcieLinkWidth, unsigned int, "pcie.width")
NUMBER(nvmlDeviceGetMaxPcieLinkWidth, unsigned int, "pcie.max_width")
NUMBER(nvmlDeviceGetPcieReplayCounter, unsigned int, "pcie.replays")

/* KB/s. The real call takes 20 ms for each direction; inject a delay to have that. */
nvmlReturn_t nvmlDeviceGetPcieThroughput(nvmlDevice_t device, nvmlPcieUtilCounter_t direction, unsigned int *rate)
{
    unsigned long long read = 0;
    const char *key = direction == NVML_PCIE_UTIL_TX_BYTES ? "pcie.tx_kb_s" : "pcie.rx_kb_s";
    nvmlReturn_t code = get(__func__, device, &read, "%s", key);
    *rate = (unsigned int)read;
    return code;
}

nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, nvmlEnableState_t *current, nvmlEnableState_t *pending)
{
    unsigned long long mode = 0;
    nvmlReturn_t code = get(__func__, device, &mode, "ecc.mode");
    *current = *pending = (nvmlEnableState_t)mode;
    return code;
}

nvmlReturn_t nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t type, nvmlEccCounterType_t since,
                                         unsigned long long *count)
{
    if ((unsigned int)type > 1 || (unsigned int)since > 1)
        return NVML_ERROR_INVALID_ARGUMENT;
    return get(__func__, device, count, "ecc.%s.%s", SINCE[since], ERRORS[type]);
}

nvmlReturn_t nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corrected, unsigned int *uncorrected,
                                       unsigned int *pending, unsigned int *failed)
{
    static const char *const KEYS[] = {"corrected", "uncorrected", "pending", "failed"};
    unsigned int *const outs[] = {corrected, uncorrected, pending, failed};
    for (int i = 0; i < 4; i++) {
        unsigned long long read = 0;
        nvmlReturn_t code = get(__func__, device, &read, "remap.%s", KEYS[i]);
        if (code != NVML_SUCCESS)
            return code;
        *outs[i] = (unsigned int)read;
    }
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetNvLinkState(nvmlDevice_t device, unsigned int link, nvmlEnableState_t *active)
{
    unsigned long long count = 0, up = 1;
    nvmlReturn_t code = get(__func__, device, &count, "nvlink.count");
    if (code == NVML_SUCCESS && link >= count)
        return NVML_ERROR_INVALID_ARGUMENT;
    if (code == NVML_SUCCESS)
        number(&up, "gpu%u.nvlink.%u.up", device->gpu, link);
    *active = up ? NVML_FEATURE_ENABLED : NVML_FEATURE_DISABLED;
    return code;
}

nvmlReturn_t nvmlDeviceGetNvLinkVersion(nvmlDevice_t device, unsigned int link, unsigned int *version)
{
    (void)link;
    unsigned long long read = 0;
    nvmlReturn_t code = get(__func__, device, &read, "nvlink.version");
    *version = (unsigned int)read;
    return code;
}

nvmlReturn_t nvmlDeviceGetNvLinkErrorCounter(nvmlDevice_t device, unsigned int link, nvmlNvLinkErrorCounter_t counter,
                                             unsigned long long *count)
{
    return get(__func__, device, count, "nvlink.%u.errors.%u", link, (unsigned int)counter);
}
