from pathlib import Path

import pytest

import profiles
from profiles.money.costcase import Answer, answer, load
from profiles.text.document import FileError
from profiles.text.yamltext import read

CASES = Path(profiles.__file__).parent / "money" / "cases"
TEXT = """\
gpuyard: 1
case: own
load: {requests_per_day: 1000, tokens_per_request: 1000}
models:
  cloud: {price: 10.00 $/1M}
  yard: {gpus: 1, gpu_price: 0.25 $/h}
mix: {cloud: 1.0}
change: {mix: {cloud: 0.1, yard: 0.9}, one_time: 300 $}
"""


def found(text: str) -> Answer:
    return answer(read(text, "case.yaml"))[1]


def test_the_published_conversations_are_fifty_dollars_a_day() -> None:
    """The source said 50,000 a day: it took the price of a thousand tokens for the price of one."""
    _, got = load(CASES / "conversations.yaml")
    assert got.tokens_per_day == 10_000_000
    assert got.microusd_day == 50_000_000
    assert got.microusd_year == 18_250_000_000
    assert got.changed_microusd_day == 44_000_000
    assert got.saving_ratio == pytest.approx(0.12)
    assert (got.payback_days, got.roi_year_ratio) == (None, None)  # nobody said what the change costs


def test_the_published_transactions() -> None:
    _, got = load(CASES / "transactions.yaml")
    assert got.tokens_per_day == 432_000_000
    assert got.microusd_day == 1_296_000_000


def test_gpus_of_ones_own_by_hand() -> None:
    """10 $ a day, against 1 $ and 24 × 0.25 = 6 $: 3 $ saved a day pay 300 $ back in 100 days."""
    got = found(TEXT)
    assert got.models == {"cloud": 10_000_000}
    assert got.changed_microusd_day == 7_000_000
    assert got.saving_ratio == pytest.approx(0.3)
    assert got.payback_days == pytest.approx(100)
    assert got.roi_year_ratio == pytest.approx((3 * 365 - 300) / 300)


def test_a_change_that_saves_nothing_is_never_paid_back() -> None:
    got = found(TEXT.replace("0.25 $/h", "2.50 $/h"))
    assert got.saving_ratio is not None
    assert got.saving_ratio < 0
    assert got.payback_days is None
    assert got.roi_year_ratio is not None
    assert got.roi_year_ratio < 0


@pytest.mark.parametrize(
    ("old", "new", "place", "says"),
    [
        ("tokens_per_request: 1000", "tokens_per_request: 0", "3:", "`tokens_per_request` is 0"),
        ("requests_per_day: 1000, ", "", "3:7", "either `requests_per_day` or `requests_per_s`"),
        ("10.00 $/1M", "10.00 $/1G", "5:18", "is in \\$/1G"),
        ("10.00 $/1M", "-1 $/1M", "5:18", "negative"),
        (", gpu_price: 0.25 $/h", "", "6:9", "go together"),
        ("{cloud: 1.0}", "{cloud: 0.9}", "7:6", "add up to 0.9"),
        ("{cloud: 1.0}", "{clod: 1.0}", "7:7", "no model `clod`"),
        ("{cloud: 1.0}", "{cloud: 1.5}", "7:14", "a share is 0 to 1"),
        ("300 $", "300 $/h", "8:", "is in \\$/h"),
    ],
)
def test_a_bad_case_is_refused_at_its_place(old: str, new: str, place: str, says: str) -> None:
    assert old in TEXT
    with pytest.raises(FileError, match=says) as caught:
        found(TEXT.replace(old, new, 1))
    assert str(caught.value).startswith(f"case.yaml:{place}")
