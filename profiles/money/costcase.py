"""What-if: a load of requests, the models that would answer them, and a change against a base. Pure, but for the file.

    requests/day × tokens/request ──► tokens/day ──shared out among models──► $/day, × 365 a year
    a second mix ──► saving, payback and return on what the change costs

Nothing is assumed: a number that is not in the file is not in the answer.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from profiles.money.money import A_MILLION, A_THOUSAND, AN_HOUR, DOLLARS, HOURS_A_DAY, BadMoney, amount
from profiles.text.conform import convert
from profiles.text.document import Document, Where
from profiles.text.yamltext import read

SHIPPED = Path(__file__).with_name("cases")
"""Published cases, with the right sums."""

VERSION = 1
DAYS_A_YEAR = 365
SECONDS_A_DAY = 86_400


class Load(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is asked; one of the two rates."""

    tokens_per_request: int
    requests_per_day: int | None = None
    requests_per_s: float | None = None
    turns: int = 1
    """Requests in one conversation, where `requests` counts conversations."""


class ModelCost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a model takes: a price by tokens, or GPUs by the hour, which cost the same however little is asked."""

    price: str | None = None
    gpus: int | None = None
    gpu_price: str | None = None


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another mix, and what it costs to get there."""

    mix: dict[str, float]
    one_time: str | None = None


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of `gpuyard cost case`. A mix says which share of the tokens, 0–1, each model makes."""

    gpuyard: int
    case: str
    load: Load
    models: dict[str, ModelCost]
    mix: dict[str, float]
    change: Change | None = None
    description: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Micro-dollars. Of a change: its saving, days until it is paid back, and what it returns in a year per dollar."""

    tokens_per_day: int
    models: dict[str, int]
    microusd_day: int
    changed_microusd_day: int | None = None
    saving_ratio: float | None = None
    payback_days: float | None = None
    roi_year_ratio: float | None = None

    @property
    def microusd_year(self) -> int:
        return self.microusd_day * DAYS_A_YEAR


class _Rates(msgspec.Struct, frozen=True):
    """Of one model, in micro-dollars."""

    a_million: int = 0
    a_day: int = 0


def load(path: Path) -> tuple[Case, Answer]:
    """Raises FileError with the place of what does not fit."""
    return answer(read(path))


def answer(document: Document) -> tuple[Case, Answer]:
    """Raises FileError."""
    case = convert(document, Case)
    if case.gpuyard != VERSION:
        raise document.error(("gpuyard",), f"version {case.gpuyard} of this file is not known", f"write `{VERSION}`")
    tokens = _tokens_per_day(document, case.load)
    rates = {name: _rates(document, ("models", name), one) for name, one in case.models.items()}
    _check_mix(document, ("mix",), case.mix, rates)
    models = _spend(tokens, case.mix, rates)
    base = sum(models.values())
    found = Answer(tokens_per_day=tokens, models=models, microusd_day=base)
    if case.change is None:
        return case, found
    _check_mix(document, ("change", "mix"), case.change.mix, rates)
    changed = sum(_spend(tokens, case.change.mix, rates).values())
    once = case.change.one_time
    one_time = 0 if once is None else _money(document, ("change", "one_time"), once, DOLLARS)
    return case, _compared(found, changed, one_time)


def _compared(found: Answer, changed: int, one_time: int) -> Answer:
    saved = found.microusd_day - changed
    return msgspec.structs.replace(
        found,
        changed_microusd_day=changed,
        saving_ratio=saved / found.microusd_day if found.microusd_day else None,
        payback_days=one_time / saved if one_time and saved > 0 else None,
        roi_year_ratio=(saved * DAYS_A_YEAR - one_time) / one_time if one_time else None,
    )


def _tokens_per_day(document: Document, load: Load) -> int:
    for key in ("tokens_per_request", "turns", "requests_per_day", "requests_per_s"):
        value = getattr(load, key)
        if value is not None and value <= 0:
            raise document.error(
                ("load", key), f"`{key}` is {value}", "a case without a load costs nothing to work out"
            )
    if (load.requests_per_day is None) == (load.requests_per_s is None):
        raise document.error(("load",), "say either `requests_per_day` or `requests_per_s`", "exactly one of them")
    a_day = load.requests_per_day if load.requests_per_day is not None else (load.requests_per_s or 0) * SECONDS_A_DAY
    return round(a_day * load.turns * load.tokens_per_request)


def _rates(document: Document, here: Where, model: ModelCost) -> _Rates:
    owned = model.gpus is not None or model.gpu_price is not None
    if (model.price is not None) == owned:
        raise document.error(here, "a model has either `price` or `gpus` and `gpu_price`", "`price: 0.005 $/1K`")
    if model.price is not None:
        try:
            return _Rates(a_million=amount(model.price, A_THOUSAND) * 1000)
        except BadMoney:
            return _Rates(a_million=_money(document, (*here, "price"), model.price, A_MILLION, also=A_THOUSAND))
    if not model.gpus or model.gpus < 0 or model.gpu_price is None:
        raise document.error(here, "`gpus` and `gpu_price` go together", "`gpus: 4, gpu_price: 2.95 $/h`")
    hourly = _money(document, (*here, "gpu_price"), model.gpu_price, AN_HOUR)
    return _Rates(a_day=model.gpus * hourly * HOURS_A_DAY)


def _check_mix(document: Document, here: Where, mix: Mapping[str, float], rates: Mapping[str, _Rates]) -> None:
    for name, part in mix.items():
        if name not in rates:
            raise document.error((*here, name), f"no model `{name}`", f"known: {', '.join(rates)}", at_key=True)
        if not 0 <= part <= 1:
            raise document.error((*here, name), f"a share is 0 to 1, not {part}", "0.3 is 30 %")
    if abs(sum(mix.values()) - 1) > 1e-9:
        raise document.error(here, f"the shares add up to {sum(mix.values()):g}", "they must make 1")


def _spend(tokens: int, mix: Mapping[str, float], rates: Mapping[str, _Rates]) -> dict[str, int]:
    """GPUs are paid whole as soon as a model is in the mix at all."""
    return {
        name: round(tokens * part * rates[name].a_million / 1_000_000) + (rates[name].a_day if part else 0)
        for name, part in mix.items()
    }


def _money(document: Document, where: Where, text: str, unit: str, also: str = "") -> int:
    try:
        return amount(text, unit)
    except BadMoney as error:
        either = f" (or {also})" if also else ""
        raise document.error(where, error.message, error.hint + either) from None
