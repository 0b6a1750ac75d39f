/* What the SMs do, `gpm.METRIC` in per cent of a GPU or, as `giM.gpm.METRIC`, of an instance; Hopper and later.
 *
 * A sample only remembers when it was taken and of what: the metrics are those of the key when they are asked for.
 */
#include <stdlib.h>
#include <time.h>

#include "fake.h"

struct nvmlGpmSample_st { unsigned int gpu, instance; struct timespec at; };

nvmlReturn_t nvmlGpmQueryDeviceSupport(nvmlDevice_t device, nvmlGpmSupport_t *support)
{
    unsigned long long architecture = 0;
    if (support->version != NVML_GPM_SUPPORT_VERSION)
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    ENTER(device);
    number(&architecture, "gpu%u.architecture", device->gpu);
    support->isSupportedDevice = architecture >= NVML_DEVICE_ARCH_HOPPER;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpmSampleAlloc(nvmlGpmSample_t *sample)
{
    *sample = calloc(1, sizeof **sample);
    return *sample ? NVML_SUCCESS : NVML_ERROR_MEMORY;
}

nvmlReturn_t nvmlGpmSampleFree(nvmlGpmSample_t sample)
{
    free(sample);
    return NVML_SUCCESS;
}

static nvmlReturn_t take(unsigned int gpu, unsigned int instance, nvmlGpmSample_t sample)
{
    unsigned long long architecture = 0;
    number(&architecture, "gpu%u.architecture", gpu);
    if (architecture < NVML_DEVICE_ARCH_HOPPER)
        return NVML_ERROR_NOT_SUPPORTED;
    *sample = (struct nvmlGpmSample_st){.gpu = gpu, .instance = instance};
    clock_gettime(CLOCK_MONOTONIC, &sample->at);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlGpmSampleGet(nvmlDevice_t device, nvmlGpmSample_t sample)
{
    ENTER(device);
    return take(device->gpu, device->instance, sample);
}

nvmlReturn_t nvmlGpmMigSampleGet(nvmlDevice_t device, unsigned int instance, nvmlGpmSample_t sample)
{
    ENTER(device);
    if (instance >= MAX_INSTANCES || !instance_exists(device->gpu, instance))
        return NVML_ERROR_NOT_FOUND;
    return take(device->gpu, instance, sample);
}

/* Two samples of one device, the older one first. */
static bool is_pair(nvmlGpmSample_t older, nvmlGpmSample_t newer)
{
    return older->gpu == newer->gpu && older->instance == newer->instance
        && (older->at.tv_sec < newer->at.tv_sec
            || (older->at.tv_sec == newer->at.tv_sec && older->at.tv_nsec < newer->at.tv_nsec));
}

nvmlReturn_t nvmlGpmMetricsGet(nvmlGpmMetricsGet_t *get)
{
    if (get->version != NVML_GPM_METRICS_GET_VERSION)
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    if (!initialised() || !is_pair(get->sample1, get->sample2))
        return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code = fault(__func__, (int)get->sample2->gpu);
    char prefix[32];
    prefix_of(device_at(get->sample2->gpu, get->sample2->instance), prefix);
    for (unsigned int i = 0; code == NVML_SUCCESS && i < get->numMetrics && i < NVML_GPM_METRIC_MAX; i++) {
        nvmlGpmMetric_t *metric = &get->metrics[i];
        const char *text = value("%s.gpm.%u", prefix, metric->metricId);
        metric->nvmlReturn = text ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
        metric->value = text ? strtod(text, NULL) : 0.0;
    }
    return code;
}
