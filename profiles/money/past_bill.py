"""The price of time that GPUs were given to. Pure; every sum adds up to the micro-dollar, as that of an hour does.

price of the time = Σ its instances + foreign + unallocated
"""

from profiles.money.cost import Bill
from profiles.money.money import share
from profiles.money.prices import Price
from profiles.money.spent import WHOLE, GpuTime, Time

MJ_A_KWH = 3_600_000_000


def microusd(time: Time, price: Price) -> int:
    """What was drawn is paid on top where the hardware is owned."""
    fixed = share(price.fixed_microusd_h, time.micro_s, 3600 * WHOLE)
    return fixed + share(price.microusd_kwh, time.energy_mj, MJ_A_KWH)


def bill_of(one: GpuTime, price: Price | None) -> Bill:
    """Micro-dollars in all, not an hour."""
    if price is None:
        return Bill(unpriced=1)
    instances: dict[str, int] = {}
    for had in one.instances:
        instances[had.name] = instances.get(had.name, 0) + microusd(had.time, price)
    foreign = microusd(one.foreign, price)
    return Bill(
        instances=instances,
        idle=sum(microusd(had.idle, price) for had in one.instances),
        foreign=foreign,
        unallocated=microusd(one.all, price) - foreign - sum(instances.values()),
    )
