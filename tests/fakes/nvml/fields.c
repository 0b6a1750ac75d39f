/* Many values in one call, each with a return code of its own.
 *
 * A field is another name for a key of this table, or the key `field.ID`, `field.ID.SCOPE` with a type before the
 * value: `u32 70`, `u64 12345`, `i32 -5`, `f64 61.5`. Anything else is not supported.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake.h"

static const struct { unsigned int id; nvmlValueType_t type; const char *key; } FIELDS[] = {
    {NVML_FI_DEV_ECC_SBE_VOL_TOTAL, NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, "ecc.volatile.corrected"},
    {NVML_FI_DEV_ECC_DBE_VOL_TOTAL, NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, "ecc.volatile.uncorrected"},
    {NVML_FI_DEV_ECC_SBE_AGG_TOTAL, NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, "ecc.aggregate.corrected"},
    {NVML_FI_DEV_ECC_DBE_AGG_TOTAL, NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, "ecc.aggregate.uncorrected"},
    {NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP, NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, "throttled_ns.sw_power_cap"},
    {NVML_FI_DEV_CLOCKS_EVENT_REASON_SYNC_BOOST, NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, "throttled_ns.sync_boost"},
    {NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN, NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, "throttled_ns.sw_thermal"},
    {NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN, NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, "throttled_ns.hw_thermal"},
    {NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN, NVML_VALUE_TYPE_UNSIGNED_LONG_LONG,
     "throttled_ns.hw_power_brake"},
    {NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED, NVML_VALUE_TYPE_UNSIGNED_INT, "mig.resetless"},
    {NVML_FI_DEV_MEMORY_TEMP, NVML_VALUE_TYPE_UNSIGNED_INT, "temperature_c.memory"},
    {NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, "energy_mj"},
    {NVML_FI_DEV_NVLINK_LINK_COUNT, NVML_VALUE_TYPE_UNSIGNED_INT, "nvlink.count"},
    {NVML_FI_DEV_PCIE_REPLAY_COUNTER, NVML_VALUE_TYPE_UNSIGNED_INT, "pcie.replays"},
    {NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, "nvlink.tx_kib"},
    {NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, "nvlink.rx_kib"},
    {NVML_FI_DEV_REMAPPED_COR, NVML_VALUE_TYPE_UNSIGNED_INT, "remap.corrected"},
    {NVML_FI_DEV_REMAPPED_UNC, NVML_VALUE_TYPE_UNSIGNED_INT, "remap.uncorrected"},
    {NVML_FI_DEV_REMAPPED_PENDING, NVML_VALUE_TYPE_UNSIGNED_INT, "remap.pending"},
    {NVML_FI_DEV_REMAPPED_FAILURE, NVML_VALUE_TYPE_UNSIGNED_INT, "remap.failed"},
    {NVML_FI_DEV_POWER_AVERAGE, NVML_VALUE_TYPE_UNSIGNED_INT, "power_mw"},
    {NVML_FI_DEV_POWER_INSTANT, NVML_VALUE_TYPE_UNSIGNED_INT, "power_mw"},
    {NVML_FI_DEV_POWER_MIN_LIMIT, NVML_VALUE_TYPE_UNSIGNED_INT, "power.min_mw"},
    {NVML_FI_DEV_POWER_MAX_LIMIT, NVML_VALUE_TYPE_UNSIGNED_INT, "power.max_mw"},
    {NVML_FI_DEV_POWER_DEFAULT_LIMIT, NVML_VALUE_TYPE_UNSIGNED_INT, "power.default_mw"},
    {NVML_FI_DEV_POWER_CURRENT_LIMIT, NVML_VALUE_TYPE_UNSIGNED_INT, "power.enforced_mw"},
    {NVML_FI_DEV_ENERGY, NVML_VALUE_TYPE_UNSIGNED_LONG_LONG, "energy_mj"},
    {NVML_FI_DEV_POWER_REQUESTED_LIMIT, NVML_VALUE_TYPE_UNSIGNED_INT, "power.limit_mw"},
    {NVML_FI_DEV_PCIE_COUNT_TX_BYTES, NVML_VALUE_TYPE_UNSIGNED_INT, "pcie.tx_bytes"},
    {NVML_FI_DEV_PCIE_COUNT_RX_BYTES, NVML_VALUE_TYPE_UNSIGNED_INT, "pcie.rx_bytes"},
    {NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, NVML_VALUE_TYPE_UNSIGNED_INT, "recovery_action"},
};

static void set(nvmlFieldValue_t *field, nvmlValueType_t type, const char *text)
{
    field->valueType = type;
    field->nvmlReturn = NVML_SUCCESS;
    if (type == NVML_VALUE_TYPE_DOUBLE)
        field->value.dVal = strtod(text, NULL);
    else if (type == NVML_VALUE_TYPE_SIGNED_INT)
        field->value.siVal = (int)strtol(text, NULL, 0);
    else if (type == NVML_VALUE_TYPE_UNSIGNED_INT)
        field->value.uiVal = (unsigned int)strtoul(text, NULL, 0);
    else
        field->value.ullVal = strtoull(text, NULL, 0);
}

static void set_typed(nvmlFieldValue_t *field, const char *text)
{
    static const struct { const char *word; nvmlValueType_t type; } TYPES[] = {
        {"u32 ", NVML_VALUE_TYPE_UNSIGNED_INT}, {"u64 ", NVML_VALUE_TYPE_UNSIGNED_LONG_LONG},
        {"i32 ", NVML_VALUE_TYPE_SIGNED_INT}, {"f64 ", NVML_VALUE_TYPE_DOUBLE},
    };
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if (strncmp(text, TYPES[i].word, 4) == 0)
            set(field, TYPES[i].type, text + 4);
}

static void answer(const char *prefix, nvmlFieldValue_t *field)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    field->timestamp = (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    field->latencyUsec = 0;
    field->nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
    const char *text = value("%s.field.%u.%u", prefix, field->fieldId, field->scopeId);
    if (text || (text = value("%s.field.%u", prefix, field->fieldId))) {
        set_typed(field, text);
        return;
    }
    for (size_t i = 0; i < sizeof FIELDS / sizeof *FIELDS; i++)
        if (FIELDS[i].id == field->fieldId && (text = value("%s.%s", prefix, FIELDS[i].key)))
            set(field, FIELDS[i].type, text);
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *fields)
{
    ENTER(device);
    char prefix[32];
    prefix_of(device, prefix);
    for (int i = 0; i < count; i++)
        answer(prefix, fields + i);
    return NVML_SUCCESS;
}
