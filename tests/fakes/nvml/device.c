/* Handles, and the gate: each call is let in, refused with an injected code, held up, or held for ever. */
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake.h"

static atomic_int users;
static struct nvmlDevice_st devices[MAX_GPUS][MAX_INSTANCES];

bool initialised(void)
{
    return atomic_load(&users) > 0;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* The narrowest injection wins: this call on this GPU, all calls on this GPU, this call on any. */
static const char *injected(const char *call, int gpu)
{
    const char *found = NULL;
    if (gpu >= 0 && !(found = value("gpu%d.fault.%s", gpu, call)))
        found = value("gpu%d.fault", gpu);
    return found ? found : value("fault.%s", call);
}

/* `15` answers that code, `delay 500` takes so many ms and then works, `hang` ends when the key changes. */
nvmlReturn_t fault(const char *call, int gpu)
{
    refresh();
    const char *found = injected(call, gpu);
    if (found && strncmp(found, "delay ", 6) == 0) {
        pause_ms(atol(found + 6));
        return NVML_SUCCESS;
    }
    while (found && strcmp(found, "hang") == 0) {
        pause_ms(10);
        refresh();
        found = injected(call, gpu);
    }
    return found ? (nvmlReturn_t)atoi(found) : NVML_SUCCESS;
}

static bool known(nvmlDevice_t device)
{
    const struct nvmlDevice_st *end = devices[0] + sizeof devices / sizeof **devices;
    return device >= devices[0] && device < end && device == device_at(device->gpu, device->instance);
}

nvmlReturn_t enter(const char *call, nvmlDevice_t device)
{
    if (!initialised())
        return NVML_ERROR_UNINITIALIZED;
    if (!known(device))
        return NVML_ERROR_INVALID_ARGUMENT;
    nvmlReturn_t code = fault(call, (int)device->gpu);
    if (code == NVML_SUCCESS && device->instance && !value("gpu%u.ci%u", device->gpu, device->instance))
        return NVML_ERROR_INVALID_ARGUMENT;
    return code;
}

nvmlDevice_t device_at(unsigned int gpu, unsigned int instance)
{
    struct nvmlDevice_st *device = &devices[gpu][instance];
    *device = (struct nvmlDevice_st){gpu, instance};
    return device;
}

const char *prefix_of(nvmlDevice_t device, char buffer[32])
{
    if (device->instance)
        snprintf(buffer, 32, "gpu%u.gi%u", device->gpu, device->instance);
    else
        snprintf(buffer, 32, "gpu%u", device->gpu);
    return buffer;
}

bool mig_enabled(unsigned int gpu)
{
    unsigned long long mode = 0;
    return number(&mode, "gpu%u.mig.current", gpu) && mode;
}

nvmlReturn_t get(const char *call, nvmlDevice_t device, unsigned long long *read, const char *format, ...)
{
    nvmlReturn_t code = enter(call, device);
    if (code != NVML_SUCCESS)
        return code;
    char key[64], prefix[32];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(key, sizeof key, format, arguments);
    va_end(arguments);
    return number(read, "%s.%s", prefix_of(device, prefix), key) ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t copy_text(const char *text, char *out, unsigned int length)
{
    if (!text)
        return NVML_ERROR_NOT_SUPPORTED;
    if (strlen(text) >= length)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    strcpy(out, text);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
    (void)flags;
    nvmlReturn_t code = fault("nvmlInit", -1);
    if (code == NVML_SUCCESS && atomic_fetch_add(&users, 1) == 0)
        client_begins();
    return code;
}

nvmlReturn_t nvmlInit_v2(void)
{
    return nvmlInitWithFlags(0);
}

nvmlReturn_t nvmlInit(void)
{
    return nvmlInitWithFlags(0);
}

nvmlReturn_t nvmlShutdown(void)
{
    if (!initialised())
        return NVML_ERROR_UNINITIALIZED;
    if (atomic_fetch_sub(&users, 1) == 1)
        client_ends();
    return NVML_SUCCESS;
}
