import pytest

from profiles.gpu.gputypes import type_of, types


@pytest.mark.parametrize(
    ("board", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA H100 NVL", "H100-NVL"),
        ("NVIDIA A100-SXM4-40GB", "A100-40"),
        ("NVIDIA A100-SXM4-80GB", "A100"),
        ("NVIDIA A10", "A10"),
        ("NVIDIA A10G", "A10G"),
        ("NVIDIA L4", "L4"),
        ("NVIDIA L40S", "L40S"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTX-PRO-6000"),
        ("NVIDIA H200 MIG 1g.18gb", "H200"),
        ("NVIDIA L400", None),
        ("", None),
    ],
)
def test_a_board_has_its_type(board: str, name: str | None) -> None:
    assert type_of(board) == name


def test_no_two_types_claim_one_name() -> None:
    claimed = [name for one in types().values() for name in one.names]
    assert len(claimed) == len(set(claimed))


def test_every_size_is_one() -> None:
    assert all(one.memory_mib > 10_000 and one.tdp_w >= 50 for one in types().values())
