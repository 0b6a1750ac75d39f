"""vLLM's calls to a living server (0.32.0), which the simulated engine answers too."""

import msgspec

from engines.control import Act, Call, Control, LiveStep, Told, module_steps

_ACTS = {
    # Level 1: weights to host memory, the cache dropped. What runs is ended first, else it would meet freed memory.
    Act.SLEEP: Call(path="/sleep?level=1&mode=abort"),
    Act.WAKE: Call(path="/wake_up"),
    Act.FLUSH_CACHE: Call(path="/reset_prefix_cache", says={"success": True}, timeout_s=30.0),
}
_DEV_MODE = "needs the option `server_dev_mode`, which an admin sets"


def calls(*, sleeps: bool, dev_mode: bool, loras: bool) -> Control:
    """`loras`: whether adapters come and go while it runs."""
    has = {act: call for act, call in _ACTS.items() if dev_mode and (sleeps or act is Act.FLUSH_CACHE)}
    absent = {act: "needs the option `enable_sleep_mode`" if dev_mode else _DEV_MODE for act in _ACTS if act not in has}
    asleep = Told(path="/is_sleeping", field="is_sleeping") if Act.SLEEP in has else None
    return Control(acts=has, absent=absent, asleep=asleep, live={"lora_modules": None} if loras else {})


def lora_steps(old: msgspec.Struct, new: msgspec.Struct) -> tuple[LiveStep, ...]:
    return module_steps("lora_modules", old, new, _load, _unload)


def _load(name: str, path: str) -> Call:
    # In place: one that an agent loaded just before it died is no error.
    body = {"lora_name": name, "lora_path": path, "load_inplace": True}
    return Call(path="/v1/load_lora_adapter", body=msgspec.json.encode(body))


def _unload(name: str, path: str) -> Call:
    body = msgspec.json.encode({"lora_name": name})
    return Call(path="/v1/unload_lora_adapter", body=body, done=(200, 404))
