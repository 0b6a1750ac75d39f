/* What a device does now: use, memory, power, heat, clocks. */
#include <string.h>

#include "fake.h"

NUMBER(nvmlDeviceGetPowerUsage, unsigned int, "power_mw")
NUMBER(nvmlDeviceGetPowerManagementLimit, unsigned int, "power.limit_mw")
NUMBER(nvmlDeviceGetEnforcedPowerLimit, unsigned int, "power.enforced_mw")
NUMBER(nvmlDeviceGetPowerManagementDefaultLimit, unsigned int, "power.default_mw")
NUMBER(nvmlDeviceGetTotalEnergyConsumption, unsigned long long, "energy_mj")
NUMBER(nvmlDeviceGetFanSpeed, unsigned int, "fan")
NUMBER(nvmlDeviceGetNumFans, unsigned int, "fans")
NUMBER(nvmlDeviceGetPerformanceState, nvmlPstates_t, "performance_state")
NUMBER(nvmlDeviceGetCurrentClocksEventReasons, unsigned long long, "reasons")
NUMBER(nvmlDeviceGetCurrentClocksThrottleReasons, unsigned long long, "reasons")
NUMBER(nvmlDeviceGetSupportedClocksEventReasons, unsigned long long, "reasons.supported")

/* A call that picks one of several numbers, `key.SELECTOR`. */
#define CHOICE(call, selector_type, type, key)                                          \
    nvmlReturn_t call(nvmlDevice_t device, selector_type selector, type *out)           \
    {                                                                                   \
        unsigned long long read = 0;                                                    \
        nvmlReturn_t code = get(__func__, device, &read, "%s.%u", key, (unsigned int)selector); \
        if (code == NVML_SUCCESS)                                                       \
            *out = (type)read;                                                          \
        return code;                                                                    \
    }

CHOICE(nvmlDeviceGetTemperature, nvmlTemperatureSensors_t, unsigned int, "temperature_c")
CHOICE(nvmlDeviceGetTemperatureThreshold, nvmlTemperatureThresholds_t, unsigned int, "threshold_c")
CHOICE(nvmlDeviceGetClockInfo, nvmlClockType_t, unsigned int, "clock_mhz")
CHOICE(nvmlDeviceGetMaxClockInfo, nvmlClockType_t, unsigned int, "max_clock_mhz")

nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_t *temperature)
{
    unsigned long long read = 0;
    if (temperature->version != nvmlTemperature_v1)
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t code = get(__func__, device, &read, "temperature_c.%u", (unsigned int)temperature->sensorType);
    if (code == NVML_SUCCESS)
        temperature->temperature = (int)read;
    return code;
}

nvmlReturn_t nvmlDeviceGetMarginTemperature(nvmlDevice_t device, nvmlMarginTemperature_t *margin)
{
    unsigned long long read = 0;
    if (margin->version != nvmlMarginTemperature_v1)
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlReturn_t code = get(__func__, device, &read, "margin_c");
    if (code == NVML_SUCCESS)
        margin->marginTemperature = (int)read;
    return code;
}

nvmlReturn_t nvmlDeviceGetPowerManagementLimitConstraints(nvmlDevice_t device, unsigned int *low, unsigned int *high)
{
    unsigned long long least = 0, most = 0;
    nvmlReturn_t code = get(__func__, device, &least, "power.min_mw");
    if (code == NVML_SUCCESS)
        code = get(__func__, device, &most, "power.max_mw");
    *low = (unsigned int)least;
    *high = (unsigned int)most;
    return code;
}

/* NVML knows no utilization while MIG mode is on, neither of the GPU nor of its instances. */
nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates)
{
    unsigned long long busy = 0, memory = 0;
    nvmlReturn_t code = get(__func__, device, &busy, "busy");
    if (code != NVML_SUCCESS)
        return code;
    if (mig_enabled(device->gpu))
        return NVML_ERROR_NOT_SUPPORTED;
    number(&memory, "gpu%u.memory_busy", device->gpu);
    *rates = (nvmlUtilization_t){(unsigned int)busy, (unsigned int)memory};
    return NVML_SUCCESS;
}

static nvmlReturn_t codec(const char *call, nvmlDevice_t device, const char *key, unsigned int *busy, unsigned int *us)
{
    unsigned long long read = 0;
    nvmlReturn_t code = get(call, device, &read, "%s", key);
    if (code == NVML_SUCCESS && mig_enabled(device->gpu))
        code = NVML_ERROR_NOT_SUPPORTED;
    *busy = (unsigned int)read;
    *us = 167000;
    return code;
}

nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned int *busy, unsigned int *us)
{
    return codec(__func__, device, "encoder_busy", busy, us);
}

nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned int *busy, unsigned int *us)
{
    return codec(__func__, device, "decoder_busy", busy, us);
}

/* Bytes. An instance has the size of its profile; what it uses is a key of its own. */
static nvmlReturn_t memory(const char *call, nvmlDevice_t device, nvmlMemory_v2_t *out)
{
    nvmlReturn_t code = enter(call, device);
    if (code != NVML_SUCCESS)
        return code;
    char prefix[32];
    struct profile profile;
    unsigned long long total = 0, reserved = 0, used = 0;
    prefix_of(device, prefix);
    if (device->instance && profile_of_instance(device->gpu, device->instance, &profile, NULL))
        total = profile.memory_mib * 1048576ULL;
    else if (!number(&total, "%s.memory.total", prefix))
        return NVML_ERROR_NOT_SUPPORTED;
    number(&reserved, "%s.memory.reserved", prefix);
    number(&used, "%s.memory.used", prefix);
    *out = (nvmlMemory_v2_t){nvmlMemory_v2, total, reserved, total - reserved - used, used};
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *out)
{
    return out->version == nvmlMemory_v2 ? memory(__func__, device, out) : NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
}

/* The first version knows no reserved memory: it is among the used. */
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *out)
{
    nvmlMemory_v2_t all = {0};
    nvmlReturn_t code = memory(__func__, device, &all);
    *out = (nvmlMemory_t){all.total, all.free, all.used + all.reserved};
    return code;
}

/* An instance may map as much as its GPU. */
nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlBAR1Memory_t *bar)
{
    ENTER(device);
    char prefix[32];
    unsigned long long total = 0, used = 0;
    if (!number(&total, "gpu%u.bar1.total", device->gpu))
        return NVML_ERROR_NOT_SUPPORTED;
    number(&used, "%s.bar1.used", prefix_of(device, prefix));
    *bar = (nvmlBAR1Memory_t){total, total - used, used};
    return NVML_SUCCESS;
}
