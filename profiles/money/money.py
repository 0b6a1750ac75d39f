"""Money as whole millionths of a dollar, and the units in which people write it.

Sums of floats drift; a million dollars an hour in micro-dollars is still far inside 64 bits.
"""

import re
from decimal import Decimal

MICRO = 1_000_000
HOURS_A_DAY, HOURS_A_YEAR = 24, 365 * 24
HOURS_A_MONTH = HOURS_A_YEAR // 12

DOLLARS, AN_HOUR, A_KWH, A_THOUSAND, A_MILLION = "$", "$/h", "$/kWh", "$/1K", "$/1M"

_AMOUNT = re.compile(r"\$?([0-9]{1,12}(?:\.[0-9]{1,6})?) ?(\$(?:/[A-Za-z0-9]+)?)", re.ASCII)


class BadMoney(ValueError):
    """Not an amount in the unit that is wanted there. `hint` says how it is written."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint


def amount(text: str, unit: str) -> int:
    """`2.95 $/h` in micro-dollars of `unit`. Raises BadMoney: another unit is never converted in silence."""
    hint = f"write a number and the unit: `2.95 {unit}`"
    if text.lstrip().startswith("-"):
        raise BadMoney(f"`{text}` is negative", "a price is 0 or more")
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise BadMoney(f"`{text}` is no amount of {unit}", hint)
    if found[2] != unit:
        raise BadMoney(f"`{text}` is in {found[2]}, not in {unit}", hint)
    return int(Decimal(found[1]) * MICRO)


def share(total: int, part: int, whole: int) -> int:
    """`total × part ÷ whole`, rounded down: shares never add up to more than there is."""
    return total * part // whole


def a_million_tokens(microusd_h: int, tokens_per_s: float | None) -> int | None:
    """$/1M in micro-dollars; None where nothing is made, which has no price."""
    if not tokens_per_s or tokens_per_s <= 0:
        return None
    return round(microusd_h / (tokens_per_s * 0.0036))
