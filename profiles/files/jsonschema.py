"""The schema of profiles for editors, made from the structs that read them: each key by itself."""

from collections.abc import Mapping
from typing import Any

import msgspec

from profiles.desired.model import Profile

_SIZE = "^[0-9]{1,9}(MiB|GiB|TiB)$"
_DURATION = r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"
_PERCENT = r"^[0-9]{1,3}(\.[0-9]{1,4})?%$"
_PATTERNS: Mapping[str, Mapping[str, str]] = {
    "GpuRequest": {"memory": _SIZE, "limit": _SIZE, "compute": _PERCENT},
    "ResourceRequest": {"memory": _SIZE},
    "RestartRequest": {"window": _DURATION},
    "RolloutRequest": {"soak": _DURATION, "ready_deadline": _DURATION},
    "CanaryRequest": {"every": _DURATION},
    "Service": {"lease": _DURATION},
    "Defaults": {"lease": _DURATION},
    "SloRequest": {"errors": _PERCENT}
    | {f"{what}_p{of}": _DURATION for what in ("ttft", "itl", "e2e") for of in (50, 90, 95, 99)},
}
"""By struct and key. Whoever reads a file says more; this is what an editor can tell while one writes."""


def profile_schema() -> dict[str, object]:
    """JSON Schema, 2020-12."""
    (schema,), components = msgspec.json.schema_components([Profile], ref_template="#/$defs/{name}")
    for struct, patterns in _PATTERNS.items():
        properties = components[struct]["properties"]
        for key, pattern in patterns.items():
            properties[key] |= {"pattern": pattern}
    _may_extend(components["Profile"], components["Service"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gpuyard profile",
        **schema,
        "$defs": components,
    }


def _may_extend(profile: dict[str, Any], service: dict[str, Any]) -> None:
    """What a file does not say, its base may; and it may take a whole service out of it."""
    profile["required"].remove("services")
    service["required"].remove("model")
    each = profile["properties"]["services"]
    each["additionalProperties"] = {"anyOf": [each["additionalProperties"], {"type": "null"}]}
    whole = {"additionalProperties": {"type": "object", "required": ["model"]}}
    profile["if"] = {"required": ["extends"]}
    profile["else"] = {"required": ["services"], "properties": {"services": whole}}
