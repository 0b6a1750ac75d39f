"""`gpuyard cost` without a node: the sheet and the cases."""

import json
from pathlib import Path

import pytest

import profiles
from console.cli.parser import run
from console.render.money import dollars

CASES = Path(profiles.__file__).parent / "money" / "cases"


@pytest.fixture(autouse=True)
def _no_sheet_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def test_a_case_is_told_with_its_change(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cost", "case", str(CASES / "conversations.yaml")]) == 0
    text = capsys.readouterr().out
    for part in ("10,000,000", "$50.00 a day", "$18,250.00 a year of 365 days", "$44.00 a day", "12.0%"):
        assert part in text


def test_a_case_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cost", "case", "transactions", "--json"]) == 0
    (item,) = json.loads(capsys.readouterr().out)["items"]
    assert (item["tokens_per_day"], item["usd_day"], item["saving_ratio"]) == (432_000_000, 1296.0, None)


def test_a_case_that_nobody_ships_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cost", "case", "nowhere"]) == 64
    assert "nowhere" in capsys.readouterr().err


def test_the_sheet_shows_ours_and_the_users_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "gpuyard" / "prices.yaml"
    own.parent.mkdir()
    own.write_text(
        'gpuyard: 1\nprices:\n  - {gpu: H100, site: fra, price: 1.25 $/h, date: "2020-01-01", source: deal}\n'
    )
    assert run(["cost", "prices"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("H100" in line and "fra" in line and "1.25" in line and "2020-01-01 stale" in line for line in lines)
    assert any("H200" in line and "everywhere" in line and "4.45" in line for line in lines)


def test_a_bad_sheet_is_refused_at_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = tmp_path / "gpuyard" / "prices.yaml"
    own.parent.mkdir()
    own.write_text('gpuyard: 1\nprices:\n  - {gpu: H100, price: 1.25, date: "2026-01-01", source: deal}\n')
    assert run(["cost", "prices"]) == 64
    assert "prices.yaml:3:24: expected text" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("micro", "text"),
    [(0, "$0.00"), (4_999, "$0.00"), (5_000, "$0.01"), (18_250_000_000, "$18,250.00"), (-1_500_000, "−$1.50")],
)
def test_money_is_rounded_to_the_cent(micro: int, text: str) -> None:
    assert dollars(micro) == text
