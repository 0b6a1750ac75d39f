import datetime
from pathlib import Path

import pytest

from profiles.money.prices import Sheet, load, parse
from profiles.text.document import FileError
from profiles.text.yamltext import read

ROW = '  - {gpu: H100, price: 2.00 $/h, date: "2026-11-01", source: ours}\n'
OWNED = '  - {gpu: A100, date: "2026-01-01", source: invoice, owned: {purchase: 14016 $, lifetime: 1460d, energy: 0.10 $/kWh, pue: 1.5, overhead: 0.2}}\n'  # noqa: E501


def sheet(rows: str) -> Sheet:
    return parse(read(f"gpuyard: 1\nprices:\n{rows}", "prices.yaml"))


def fixed(found: Sheet, gpu: str, site: str = "", node: str = "") -> int | None:
    price = found.of(gpu, site, node)
    return None if price is None else price.fixed_microusd_h


def test_the_sheet_that_ships_is_sound_and_dated() -> None:
    found = load(None)
    assert fixed(found, "H100") == 2_950_000
    assert all(row.source and price.date <= datetime.date(2026, 12, 31) for row, price in found.rows)


def test_the_nearest_row_wins() -> None:
    rows = (
        ROW + ROW.replace("price: 2.00", "site: fra, price: 2.50") + ROW.replace("price: 2.00", "node: n1, price: 3.00")
    )
    found = sheet(rows)
    assert fixed(found, "H100", "ams", "n9") == 2_000_000
    assert fixed(found, "H100", "fra", "n9") == 2_500_000
    assert fixed(found, "H100", "fra", "n1") == 3_000_000


def test_our_price_gives_way_to_the_users(tmp_path: Path) -> None:
    own = tmp_path / "prices.yaml"
    own.write_text(f"gpuyard: 1\nprices:\n{ROW}")
    found = load(own)
    assert fixed(found, "H100") == 2_000_000
    assert fixed(found, "L4") == 810_000


def test_an_unknown_gpu_is_unpriced() -> None:
    assert load(None).of(None) is None
    assert load(None).of("ORIN-64") is None


def test_hardware_of_ones_own_by_hand() -> None:
    """14,016 $ over 35,040 h is 0.40 $/h; 700 W × 1.5 × 1.2 at 0.10 $/kWh is 0.126 $/h."""
    price = sheet(OWNED).of("A100")
    assert price is not None
    assert price.fixed_microusd_h == 400_000
    assert price.microusd_h(700) == 526_000
    assert price.microusd_h(None) == 400_000


def test_old_prices_are_stale() -> None:
    price = sheet(OWNED).of("A100")
    assert price is not None
    assert price.is_stale(datetime.date(2026, 11, 24))
    assert not price.is_stale(datetime.date(2026, 3, 1))


@pytest.mark.parametrize(
    ("rows", "place", "says"),
    [
        (ROW.replace("H100", "H1000"), "prices.yaml:3:11", "no GPU type `H1000`"),
        (ROW.replace("2.00 $/h", "2.00 $/kWh"), "prices.yaml:3:24", "is in \\$/kWh"),
        (ROW.replace("2.00 $/h", "-2 $/h"), "prices.yaml:3:24", "negative"),
        (ROW.replace("2026-11-01", "last week"), "prices.yaml:3:40", "no date"),
        (ROW.replace("price: 2.00 $/h, ", ""), "prices.yaml:3:5", "either `price` or `owned`"),
        (ROW + ROW, "prices.yaml:4:5", "second price"),
        (ROW.replace("gpu", "card"), "prices.yaml:3:6", "unknown key `card`"),
        (OWNED.replace("1460d", "4 years"), "prices.yaml:3", "no lifetime"),
        (OWNED.replace("1.5", "0.5"), "prices.yaml:3", "`pue` is 0.5"),
    ],
)
def test_a_bad_row_is_refused_at_its_place(rows: str, place: str, says: str) -> None:
    with pytest.raises(FileError, match=says) as caught:
        sheet(rows)
    assert str(caught.value).startswith(place)
