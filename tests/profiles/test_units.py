import pytest

from profiles.text.units import duration_s, size_mib


@pytest.mark.parametrize(
    ("text", "seconds"), [("800ms", 0.8), ("30s", 30.0), ("1.5m", 90.0), ("2h", 7200.0), ("30d", 2_592_000.0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "m", "-1s", "10 m", "1h30m", "1e3s", "٣s", "10M", "1.s"])
def test_what_is_no_duration(text: str) -> None:
    assert duration_s(text) is None


@pytest.mark.parametrize(("text", "mib"), [("512MiB", 512), ("64GiB", 65536), ("1TiB", 1 << 20)])
def test_sizes(text: str, mib: int) -> None:
    assert size_mib(text) == mib


@pytest.mark.parametrize("text", ["", "64", "64GB", "64 GiB", "6.4GiB", "-1GiB", "64gib", "٣GiB"])
def test_what_is_no_size(text: str) -> None:
    assert size_mib(text) is None
