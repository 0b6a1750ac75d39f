"""The calls by which vLLM 0.32 is steered while it runs, answered as it answers them: sleep, cache, LoRA adapters."""

import msgspec

from engines.simulated.core import Core
from engines.simulated.device import OutOfMemory
from engines.simulated.http import Exchange
from engines.simulated.settings import Settings

JSON = "application/json"


class _Adapter(msgspec.Struct, frozen=True):
    lora_name: str
    lora_path: str = ""
    load_inplace: bool = False


class Calls:
    """`adapters` are the names that are served beside the model's own → their paths."""

    def __init__(self, settings: Settings, core: Core) -> None:
        self._settings = settings
        self._core = core
        self.adapters = dict(one.split("=", 1) for one in settings.lora_modules) if settings.enable_lora else {}

    async def answer(self, exchange: Exchange) -> bool:
        """Whether it was one of them."""
        match exchange.method, exchange.path:
            case "GET", "/is_sleeping":
                await exchange.reply(200, msgspec.json.encode({"is_sleeping": self._core.asleep}))
            case ("POST", "/sleep" | "/wake_up") if self._settings.enable_sleep_mode:
                await exchange.reply(*self._turn(sleep=exchange.path == "/sleep"))
            case "POST", "/reset_prefix_cache":
                await exchange.reply(200, b'{"success":true}')
            case ("POST", "/v1/load_lora_adapter" | "/v1/unload_lora_adapter") if self._settings.enable_lora:
                await exchange.reply(*self._change(exchange), "text/plain")
            case _:
                return False
        return True

    def _turn(self, *, sleep: bool) -> tuple[int, bytes]:
        try:
            self._core.sleep() if sleep else self._core.wake()
        except OutOfMemory as error:
            return 500, str(error).encode()
        return 200, b""

    def _change(self, exchange: Exchange) -> tuple[int, bytes]:
        try:
            asked = msgspec.json.decode(exchange.body, type=_Adapter)
        except msgspec.DecodeError as error:
            return 400, str(error).encode()
        name = asked.lora_name
        if "unload" in exchange.path:
            if self.adapters.pop(name, None) is None:
                return 404, f"The lora adapter '{name}' cannot be found.".encode()
            return 200, f"Success: LoRA adapter '{name}' removed successfully.".encode()
        if name in self.adapters and not asked.load_inplace:
            return 400, f"The lora adapter '{name}' has already been loaded.".encode()
        if asked.lora_path.endswith("/missing"):
            return 404, f"Loading lora {name} failed: No adapter found for {asked.lora_path}".encode()
        self.adapters[name] = asked.lora_path
        return 200, f"Success: LoRA adapter '{name}' added successfully.".encode()
