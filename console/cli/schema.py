"""`gpuyard schema KIND`: JSON Schema of what is printed and read, for programs on the other side."""

import argparse
import sys
from typing import Any

import msgspec

from console.cli.output import JSON_VERSION, Exit
from profiles.files.jsonschema import profile_schema
from profiles.money.plan_money import GpuMoney
from profiles.observed.status import Reason
from profiles.plans.plan import GpuMemory, Step
from profiles.revisions.saved_plan import SavedPlan

_ROWS = {"memory": GpuMemory, "money": GpuMoney}
"""What an item of a plan is by its `action`, where it is no step."""


def run(options: argparse.Namespace) -> int:
    made = {"plan": plan_schema, "saved-plan": saved_schema, "profile": profile_schema}[options.kind]()
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(made), indent=2).decode() + "\n")
    return Exit.DONE


def plan_schema() -> dict[str, Any]:
    """Of `plan -o json`: steps, then memory and money of GPUs, then what is in the way."""
    (step, reason, *rows), components = msgspec.json.schema_components(
        [Step, Reason, *_ROWS.values()], ref_template="#/$defs/{name}"
    )
    items: list[dict[str, Any]] = [step]
    items += [{"allOf": [row, _action(name)]} for name, row in zip(_ROWS, rows, strict=True)]
    items.append({"allOf": [_action("blocked"), {"properties": {"reason": reason}, "required": ["reason"]}]})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gpuyard plan",
        "type": "object",
        "properties": {
            "gpuyard": {"const": JSON_VERSION},
            "kind": {"const": "plan"},
            "items": {"type": "array", "items": {"anyOf": items}},
        },
        "required": ["gpuyard", "kind", "items"],
        "$defs": components,
    }


def saved_schema() -> dict[str, Any]:
    """Of the file of `plan --out`. Its digest is beside all else."""
    made = msgspec.json.schema(SavedPlan)
    body = made["$defs"]["SavedPlan"]
    body["properties"] = {"digest": {"type": "string"}, **body["properties"]}
    body["required"] = ["digest", *body["required"]]
    return made


def _action(name: str) -> dict[str, Any]:
    return {"type": "object", "properties": {"action": {"const": name}}, "required": ["action"]}
