/* What the files of the fake driver share.
 *
 *   state.c      two text files -> a table of keys, read again when they change
 *   clients.c    which processes have the driver open
 *   device.c     handles, and the gate that every call passes: initialised? which GPU? an injected fault?
 *   system.c identity.c readings.c gpm.c counters.c fields.c processes.c events.c
 *                answers, each call from its keys
 *   mig.c gpu_instances.c compute_instances.c mig_devices.c
 *                MIG: mode and profiles, the two kinds of instances, the devices that they are
 *
 * A key that is not in the table is something this GPU does not support. driver.py lists all keys.
 */
#ifndef FAKE_H
#define FAKE_H

#include <stdbool.h>
#include <stddef.h>

/* The library exports what the header declares, and nothing else. Bare names then mean their oldest structs. */
#define NVML_NO_UNVERSIONED_FUNC_DEFS
#pragma GCC visibility push(default)
#include <nvml.h>
#pragma GCC visibility pop

enum { MAX_GPUS = 64, MAX_INSTANCES = 8 };

/* GPU instances are numbered 1 to 7; 0 is the whole GPU. All three are fixed places in tables, never freed. */
struct nvmlDevice_st { unsigned int gpu, instance; };
struct nvmlGpuInstance_st { unsigned int gpu, id; };
struct nvmlComputeInstance_st { unsigned int gpu, id; };

/* state.c */
struct entry { const char *key, *value; bool partition; };
const char *path(const char *name, char buffer[512]);
void refresh(void);
const char *value(const char *format, ...) __attribute__((format(printf, 1, 2)));
bool number(unsigned long long *read, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The first entry whose key begins so, then the next ones by `entry + 1` while `begins` holds. */
const struct entry *first(const char *prefix);
bool begins(const struct entry *entry, const char *prefix);
/* Partitions are changed by the library itself: lock, look, write, unlock. A null value takes the key away. */
int lock_partition(void);
void unlock_partition(int lock);
void write_partition(const char *key, const char *text);

/* device.c */
bool initialised(void);
nvmlReturn_t fault(const char *call, int gpu);
nvmlReturn_t enter(const char *call, nvmlDevice_t device);
nvmlDevice_t device_at(unsigned int gpu, unsigned int instance);
const char *prefix_of(nvmlDevice_t device, char buffer[32]);
bool mig_enabled(unsigned int gpu);
nvmlReturn_t get(const char *call, nvmlDevice_t device, unsigned long long *read, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
nvmlReturn_t copy_text(const char *text, char *out, unsigned int length);

/* clients.c */
void client_begins(void);
void client_ends(void);
bool other_clients(void);

/* mig.c */
struct profile {
    unsigned int number, id, slices, instances, multiprocessors, memory_mib, placement_count;
    nvmlGpuInstancePlacement_t placements[8];
    char name[32];
};
bool profile_by_number(unsigned int gpu, unsigned int number, struct profile *profile);
bool profile_by_id(unsigned int gpu, unsigned int id, struct profile *profile);
bool profile_of_instance(unsigned int gpu, unsigned int id, struct profile *profile, nvmlGpuInstancePlacement_t *at);
nvmlReturn_t enter_profile(const char *call, nvmlDevice_t device, unsigned int id, struct profile *profile);

/* gpu_instances.c */
nvmlGpuInstance_t instance_at(unsigned int gpu, unsigned int id);
bool instance_exists(unsigned int gpu, unsigned int id);
bool has_live_processes(unsigned int gpu, unsigned int id);
nvmlReturn_t enter_instance(const char *call, nvmlGpuInstance_t instance);

#define ENTER(device)                                  \
    do {                                               \
        nvmlReturn_t entered = enter(__func__, device); \
        if (entered != NVML_SUCCESS)                   \
            return entered;                            \
    } while (0)

/* A call that answers one number under one key of the device. */
#define NUMBER(call, type, key)                                         \
    nvmlReturn_t call(nvmlDevice_t device, type *out)                   \
    {                                                                   \
        unsigned long long read = 0;                                    \
        nvmlReturn_t code = get(__func__, device, &read, "%s", key);    \
        if (code == NVML_SUCCESS)                                       \
            *out = (type)read;                                          \
        return code;                                                    \
    }

#endif
