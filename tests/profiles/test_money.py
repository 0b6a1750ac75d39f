import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiles.money.money import A_KWH, AN_HOUR, DOLLARS, BadMoney, a_million_tokens, amount, share


@pytest.mark.parametrize(
    ("text", "unit", "micro"),
    [
        ("2.95 $/h", AN_HOUR, 2_950_000),
        ("2.95$/h", AN_HOUR, 2_950_000),
        ("0 $/h", AN_HOUR, 0),
        ("0.000001 $/h", AN_HOUR, 1),
        ("30000 $", DOLLARS, 30_000_000_000),
        ("0.12 $/kWh", A_KWH, 120_000),
    ],
)
def test_an_amount_is_read_in_its_unit(text: str, unit: str, micro: int) -> None:
    assert amount(text, unit) == micro


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2.95", "no amount of \\$/h"),
        ("2.95 $/kWh", "is in \\$/kWh, not in \\$/h"),
        ("-1 $/h", "negative"),
        ("2,95 $/h", "no amount"),
        ("1e3 $/h", "no amount"),
        ("2.95 €/h", "no amount"),
        ("٣ $/h", "no amount"),
        ("", "no amount"),
    ],
)
def test_another_unit_is_refused_and_never_converted(text: str, says: str) -> None:
    with pytest.raises(BadMoney, match=says):
        amount(text, AN_HOUR)


def test_a_million_tokens_of_the_published_example() -> None:
    assert a_million_tokens(2_950_000, 2500) == 327_778  # an H100 at 2.95 $/h that makes 2,500 tokens/s


@pytest.mark.parametrize("tokens_per_s", [None, 0.0, -1.0])
def test_nothing_made_has_no_price(tokens_per_s: float | None) -> None:
    assert a_million_tokens(2_950_000, tokens_per_s) is None


@given(st.integers(0, 10**15), st.lists(st.integers(0, 10**6), min_size=1, max_size=8))
def test_shares_never_add_up_to_more_than_there_is(total: int, parts: list[int]) -> None:
    whole = max(1, sum(parts))
    shares = [share(total, part, whole) for part in parts]
    assert sum(shares) <= total
    assert all(one * whole <= total * part < (one + 1) * whole for one, part in zip(shares, parts, strict=True))
