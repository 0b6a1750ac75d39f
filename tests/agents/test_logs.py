import asyncio
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents.errors import Refused
from agents.instances.logs import read_log
from agents.redaction import Redactor
from agents.wire import LogPiece, ReadLog


@dataclass
class Source:
    """Two incarnations of one instance."""

    directory: Path
    incarnation: int = 2
    secrets: dict[str, list[str]] = field(default_factory=dict)

    def redactor(self) -> Redactor:
        return Redactor(self.secrets)

    def log_path(self, instance: str, previous: bool) -> tuple[Path, int] | None:
        number = self.incarnation - previous
        return (self.directory / f"log.{number}", number) if instance == "a/0" and number > 0 else None

    def write(self, content: bytes) -> None:
        with (self.directory / f"log.{self.incarnation}").open("ab") as file:
            file.write(content)

    async def read(
        self, offset: int | None = None, limit: int = 65536, wait_s: float = 0, previous: bool = False
    ) -> LogPiece:
        return await read_log(
            self, ReadLog(instance="a/0", offset=offset, limit_bytes=limit, wait_s=wait_s, previous=previous)
        )


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return Source(tmp_path)


async def test_tail_begins_at_a_line(source: Source) -> None:
    source.write(b"first\nsecond\nthird\n")
    assert await source.read(limit=9) == LogPiece(text="third\n", offset=13, next_offset=19, incarnation=2)
    assert (await source.read()).text == "first\nsecond\nthird\n"


async def test_pieces_join_to_the_whole(source: Source) -> None:
    text = "".join(f"line {number} ü€𝄞\n" for number in range(50)) + "€" * 30 + "\n"
    source.write(text.encode())
    joined, offset = "", 0
    while (piece := await source.read(offset, limit=37)).text:
        assert piece.offset == offset
        joined, offset = joined + piece.text, piece.next_offset
    assert joined == text


async def test_unfinished_line_comes_once_the_wait_is_over(source: Source) -> None:
    source.write(b"done\nhalf")
    assert (await source.read(0)).text == "done\n"
    assert (await source.read(5)).text == "half"


async def test_wait_returns_on_growth(source: Source) -> None:
    source.write(b"one\n")
    waiting = asyncio.create_task(source.read(4, wait_s=20))
    await asyncio.sleep(0)
    source.write(b"two\n")
    assert (await asyncio.wait_for(waiting, 10)).text == "two\n"


async def test_wait_ends_with_an_empty_piece(source: Source) -> None:
    source.write(b"one\n")
    assert await source.read(4, wait_s=0.05) == LogPiece(text="", offset=4, next_offset=4, incarnation=2)


async def test_new_incarnation_ends_the_wait(source: Source) -> None:
    source.write(b"one\n")
    waiting = asyncio.create_task(source.read(4, wait_s=20))
    await asyncio.sleep(0)
    source.incarnation = 3
    assert await asyncio.wait_for(waiting, 10) == LogPiece(text="", offset=0, next_offset=0, incarnation=3)


async def test_offset_past_the_end_begins_anew(source: Source) -> None:
    source.write(b"new\n")
    assert (await source.read(1000)).text == "new\n"


async def test_previous_incarnation(source: Source) -> None:
    (source.directory / "log.1").write_bytes(b"crashed\n")
    assert await source.read(previous=True) == LogPiece(text="crashed\n", offset=0, next_offset=8, incarnation=1)


async def test_no_such_log(source: Source) -> None:
    source.incarnation = 1
    with pytest.raises(Refused) as caught:
        await source.read(previous=True)
    assert caught.value.code == "not_found"
    assert caught.value.hint


async def test_log_without_a_file_yet_is_empty(source: Source) -> None:
    assert (await source.read()).text == ""


async def test_freed_range_is_skipped_and_counted(source: Source) -> None:
    path = source.directory / "log.2"
    hole = 1024 * 1024
    with path.open("wb") as file:
        file.truncate(hole)  # a hole, as a freed range is
        file.seek(hole)
        file.write(b"rest of a line\nkept\n")
    descriptor = os.open(path, os.O_RDONLY)
    data_start = os.lseek(descriptor, 0, os.SEEK_DATA)
    os.close(descriptor)
    if data_start != hole:
        pytest.skip("this filesystem keeps no holes")
    piece = await source.read(0)
    assert (piece.text, piece.skipped_bytes, piece.next_offset) == ("kept\n", hole + 15, hole + 20)


async def test_bytes_that_are_no_text_are_replaced(source: Source) -> None:
    source.write(b"\xff\xfe\n")
    assert (await source.read()).text == "\ufffd\ufffd\n"


async def pieces(source: Source, limit: int) -> str:
    """The whole log, read in pieces of at most `limit` bytes."""
    text, offset = "", 0
    size = (source.directory / f"log.{source.incarnation}").stat().st_size
    while offset < size:
        piece = await source.read(offset, limit)
        assert piece.next_offset > offset or not piece.text
        if piece.next_offset == offset:
            break
        text, offset = text + piece.text, piece.next_offset
    return text


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 7, 11, 64, 65536])
async def test_a_secret_is_in_no_piece_however_the_log_is_cut(source: Source, limit: int) -> None:
    source.secrets = {"hf-token": ["hf_canary/0123456789"]}
    source.write(b"start hf_canary/0123456789 end hf_canary/01 \nhf_canary%2F0123456789\nlast\n")
    text = await pieces(source, limit)
    assert "canary/0123456789" not in text
    assert "canary%2F" not in text
    marker = "•••(hf-token)"
    assert text == f"start {marker} end hf_canary/01 \n{marker}\nlast\n"


async def test_a_secret_that_is_being_written_is_held_back(source: Source) -> None:
    source.secrets = {"hf-token": ["hf_canary"]}
    source.write(b"token: hf_can")
    piece = await source.read(0)
    assert piece.text == "token: "
    source.write(b"ary and more\n")
    assert (await source.read(piece.next_offset)).text == "•••(hf-token) and more\n"
    source.write(b"hf_can")
    assert (await source.read(piece.next_offset + len("hf_canary and more\n"))).text == ""
    source.write(b"ton\n")
    assert (await source.read(piece.next_offset + len("hf_canary and more\n"))).text == "hf_canton\n"
