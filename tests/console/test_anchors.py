"""What a console remembers of an audit, and what it makes of the next hello."""

import pytest

from agents import wire
from console.anchors import KEPT, Anchors, look_back

A, B, C = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def file(tmp_path):
    return tmp_path / "state" / "anchors.json"


def number_of(anchors: Anchors, node: str) -> int | None:
    kept = anchors.of(node)
    return kept.seq if kept else None


async def compare(anchors, seq, digest, chain):
    async def ask(number):
        return wire.Anchor(seq=number, hash=chain.get(number, ""))

    return await look_back(anchors, "fra-1", wire.Hello(audit_seq=seq, audit_hash=digest), ask)


@pytest.mark.parametrize(
    ("seq", "digest", "chain", "said"),
    [
        (5, A, {}, None),
        (9, B, {5: A}, None),
        (5, B, {}, "record 5 of its audit is not the one"),
        (4, B, {}, "ends at record 4"),
        (0, "", {}, "ends at record 0"),
        (9, B, {5: C}, "record 5 of its audit is not the one"),
        (9, B, {}, "record 5 of its audit is not the one"),
    ],
)
async def test_a_hello_goes_with_what_is_remembered_or_is_doubted(file, seq, digest, chain, said):
    anchors = Anchors(file)
    assert await compare(anchors, 5, A, {}) is None
    anchors.save()
    again = Anchors(file)
    found = await compare(again, seq, digest, chain)
    assert found is None if said is None else said in found.text
    kept = again.of("fra-1")
    assert kept is not None
    assert (kept.seq, kept.hash) == ((seq, digest) if said is None else (5, A))


async def test_nothing_is_remembered_of_an_empty_audit(file):
    anchors = Anchors(file)
    assert await compare(anchors, 0, "", {}) is None
    anchors.save()
    assert not file.exists()


async def test_consoles_write_beside_each_other_and_the_oldest_go(file):
    one, other = Anchors(file), Anchors(file)
    one.of("x")
    other.remember("x", 1, A)
    other.save()
    one.remember("y", 2, B)
    one.save()
    found = Anchors(file)
    assert (number_of(found, "x"), number_of(found, "y")) == (1, 2)
    for number in range(KEPT):
        found.remember(f"n{number}", 1, A)
    found.save()
    assert (number_of(Anchors(file), "x"), number_of(Anchors(file), "n0")) == (None, 1)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"\xff", b"[]", b'{"version":1,"audits":{"fra-1":3}}'])
async def test_a_damaged_file_is_as_none(file, content):
    file.parent.mkdir()
    file.write_bytes(content)
    anchors = Anchors(file)
    assert await compare(anchors, 5, A, {}) is None
    anchors.save()
    assert number_of(Anchors(file), "fra-1") == 5
