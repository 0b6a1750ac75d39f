"""Edits of inventory files as people write them: what was not asked for stays, byte for byte."""

import stat
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from console.hosts.edit import Draft
from console.inventory import Node, load, loads
from profiles.text.document import FileError

KEPT = """\
# Our cluster.
gpuyard: 1   # the format

nodes:
  # Frankfurt
  fra-1: {site: fra, labels: {pool: chat}}   # the first
  'fra-2':
    address: "10.0.0.2"   # not in DNS
    # ask Eve before a change
    labels:
      pool: chat   # for now
      rack: a3
  here: {local: true,   # this one
         site: ams}
  # the end
"""


def draft(folder: Path, text: str) -> Draft:
    path = folder / "inventory.yaml"
    path.write_bytes(text.encode())
    return Draft.open(path)


def edited(folder: Path, text: str, node: str, **words: str | None) -> str:
    one = draft(folder, text)
    one.label(node, words)
    assert one.text is not None
    return one.text


def test_a_node_is_added_behind_the_others(tmp_path):
    one = draft(tmp_path, KEPT)
    one.add({"new": Node(address="new", port=22, labels={"odd": "yes", "b": "7"}), "x": Node(address="1::2")})
    lines = '  new: {port: 22, labels: {odd: "yes", b: "7"}}\n  x: {address: "1::2"}\n'
    assert one.text == KEPT.replace("site: ams}\n", f"site: ams}}\n{lines}")
    assert one.inventory().nodes["new"].labels == {"odd": "yes", "b": "7"}


@pytest.mark.parametrize(
    ("node", "words", "old", "new"),
    [
        ("fra-1", {"pool": "embed"}, "{pool: chat}}", "{pool: embed}}"),
        ("fra-1", {"gpu": "h100"}, "{pool: chat}}", "{pool: chat, gpu: h100}}"),
        ("fra-1", {"pool": None}, "{site: fra, labels: {pool: chat}}", "{site: fra}"),
        ("fra-1", {"site": None}, "{site: fra, labels", "{labels"),
        ("fra-1", {"owner": "search team"}, "{pool: chat}}", '{pool: chat}, owner: "search team"}'),
        ("fra-2", {"rack": None}, "      rack: a3\n", ""),
        ("fra-2", {"rack": "a4"}, "a3", "a4"),
        ("fra-2", {"zone": "1"}, "rack: a3\n", 'rack: a3\n      zone: "1"\n'),
        ("fra-2", {"site": "fra"}, "rack: a3\n", "rack: a3\n    site: fra\n"),
        ("here", {"site": None}, "\n         site: ams}", "\n         }"),
        ("here", {"owner": "eve"}, "site: ams}", "site: ams, owner: eve}"),
        ("here", {"a": "b"}, "site: ams}", "site: ams, labels: {a: b}}"),
    ],
)
def test_a_word_changes_nothing_but_itself(tmp_path, node, words, old, new):
    assert KEPT.count(old) == 1
    assert edited(tmp_path, KEPT, node, **words) == KEPT.replace(old, new)


def test_the_last_label_takes_the_labels_with_it(tmp_path):
    text = edited(tmp_path, KEPT, "fra-2", pool=None, rack=None)
    assert "labels:\n" not in text
    assert "# ask Eve before a change\n  here" in text


def test_the_only_key_of_a_node_leaves_it_empty(tmp_path):
    text = edited(tmp_path, "gpuyard: 1\nnodes:\n  a:   # about a\n    # more\n    site: x   # y\n", "a", site=None)
    assert text == "gpuyard: 1\nnodes:\n  a: {}   # about a\n    # more\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("gpuyard: 1\r\nnodes:\r\n  a: {}\r\n", "gpuyard: 1\r\nnodes:\r\n  a: {}\r\n  b: {}\r\n"),
        ("gpuyard: 1\nnodes:\n  a: {}", "gpuyard: 1\nnodes:\n  a: {}\n  b: {}"),
        ("gpuyard: 1\nnodes: {a: {}} # x", "gpuyard: 1\nnodes: {a: {}, b: {}} # x"),
        ("gpuyard: 1\nnodes: {a: {},}", "gpuyard: 1\nnodes: {a: {}, b: {},}"),
        ("gpuyard: 1\nnodes: # none yet\n", "gpuyard: 1\nnodes: {b: {}} # none yet\n"),
        ("gpuyard: 1\nnodes: {}\n", "gpuyard: 1\nnodes: {b: {}}\n"),
        ("gpuyard: 1\n", "gpuyard: 1\nnodes: {b: {}}\n"),
        ("{gpuyard: 1, nodes: {a: {}}}", "{gpuyard: 1, nodes: {a: {}, b: {}}}"),
        ("---\nnodes:\n    a: {}\ngpuyard: 1\n...\n", "---\nnodes:\n    a: {}\n    b: {}\ngpuyard: 1\n...\n"),
        ("gpuyard: 1\nnodes:\n  a:\n    site: |-\n      x\n\n# end\n",
         "gpuyard: 1\nnodes:\n  a:\n    site: |-\n      x\n\n  b: {}\n# end\n"),
        ("\ufeffgpuyard: 1\nnodes:\n  a: {}\n", "gpuyard: 1\nnodes:\n  a: {}\n  b: {}\n"),
    ],
)  # fmt: skip
def test_every_style_of_writing_is_kept(tmp_path, before, after):
    one = draft(tmp_path, before)
    one.add({"b": Node(address="b")})
    assert one.text == after
    one.save()
    assert "b" in load(one.path).nodes
    assert one.path.read_bytes().startswith(before[:1].encode())


def test_what_cannot_be_edited_safely_is_refused_and_says_where(tmp_path):
    one = draft(tmp_path, "gpuyard: 1\nnodes:\n  ? a\n  : {}\n")
    with pytest.raises(FileError, match=r"inventory.yaml:3:3: this place is written") as refused:
        one.add({"b": Node(address="b")})
    assert refused.value.hint == "edit it by hand"


def test_a_name_that_is_there_is_not_added_again(tmp_path):
    with pytest.raises(FileError, match="7:3: fra-2 is here already"):
        draft(tmp_path, KEPT).add({"fra-2": Node(address="x")})


def test_removal_takes_the_node_with_its_own_lines_alone(tmp_path):
    one = draft(tmp_path, KEPT)
    one.remove("fra-2")
    assert one.text == KEPT[: KEPT.index("  'fra-2'")] + KEPT[KEPT.index("  here") :]
    one.remove("fra-2")
    one.remove("here")
    with pytest.raises(FileError, match="the only node"):
        one.remove("fra-1")


def test_a_new_file_is_made_with_its_directory(tmp_path):
    path = tmp_path / "deep" / "inventory.yaml"
    one = Draft.open(path)
    assert one.is_new
    one.add({"a": Node(address="10.0.0.1", user="ops"), "b": Node(address="b", local=True)})
    one.save()
    assert path.read_text() == "gpuyard: 1\nnodes:\n  a: {address: 10.0.0.1, user: ops}\n  b: {local: true}\n"
    assert load(path) == one.inventory()


def test_mode_and_link_stay_and_nothing_is_left_beside(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    one = draft(kept, KEPT)
    one.path.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(one.path)
    through = Draft.open(link)
    through.label("fra-1", {"pool": "x"})
    through.save()
    assert link.is_symlink()
    assert stat.S_IMODE(one.path.stat().st_mode) == 0o640
    assert [found.name for found in kept.iterdir()] == ["inventory.yaml"]
    assert load(link).nodes["fra-1"].labels == {"pool": "x"}


@pytest.mark.parametrize("meanwhile", [KEPT + "# mine\n", None])
def test_a_change_of_somebody_else_is_never_written_over(tmp_path, meanwhile):
    one = draft(tmp_path, KEPT)
    one.label("fra-1", {"pool": "x"})
    if meanwhile is None:
        one.path.unlink()
    else:
        one.path.write_text(meanwhile)
    with pytest.raises(FileError, match="somebody changed this file meanwhile"):
        one.save()
    assert (one.path.read_text() if one.path.exists() else None) == meanwhile


def test_two_that_make_the_file_do_not_write_over_each_other(tmp_path):
    first, second = Draft.open(tmp_path / "i.yaml"), Draft.open(tmp_path / "i.yaml")
    first.add({"a": Node(address="a")})
    second.add({"b": Node(address="b")})
    first.save()
    with pytest.raises(FileError, match="somebody changed"):
        second.save()
    assert list(load(first.path).nodes) == ["a"]


def test_what_would_be_no_inventory_is_not_written(tmp_path):
    one = draft(tmp_path, KEPT)
    one.add({"b": Node(address="b", port=70000)})
    with pytest.raises(FileError, match="70000 is no port"):
        one.save()
    assert one.path.read_text() == KEPT
    assert [found.name for found in tmp_path.iterdir()] == ["inventory.yaml"]


def test_nothing_to_change_writes_nothing(tmp_path):
    one = draft(tmp_path, KEPT)
    before = one.path.stat()
    one.label("fra-1", {"pool": "chat", "site": "fra", "absent": None})
    assert not one.changed
    one.save()
    assert one.path.stat().st_mtime_ns == before.st_mtime_ns
    assert one.path.stat().st_ino == before.st_ino


NAMES = ["a", "b-1", "c.d"]
WORDS = st.sampled_from(["x", "y z", "yes", "7", "#no", "a: b", "ü"])
KEYS = st.sampled_from(["site", "owner", "pool", "rack"])


@dataclass
class Piece:
    """A node as a person wrote it, with a comment line of its own before it."""

    name: str
    lines: str


@st.composite
def pieces(draw: st.DrawFn) -> list[Piece]:
    found = []
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=3, unique=True)):
        above = f"  # above {name}\n" if draw(st.booleans()) else ""
        words = draw(st.dictionaries(st.sampled_from(["pool", "rack"]), st.sampled_from(["x", "z9"]), max_size=2))
        site = draw(st.booleans())
        tail = f"   # of {name}" if draw(st.booleans()) else ""
        if draw(st.booleans()):
            inside = ["site: fra"] * site + [f"labels: {{{', '.join(f'{k}: {v}' for k, v in words.items())}}}"]
            gap = draw(st.sampled_from([", ", ",\n     ", f",   # in {name}\n     ", " , "]))
            body = f"  {name}: {{{gap.join(inside)}}}{tail}\n"
        else:
            block = [f"    site: 'fra'{tail}"] * site + ["    labels:"] * bool(words)
            block += [f"      # word {key} of {name}\n      {key}:   {value}{tail}" for key, value in words.items()]
            body = f"  {name}:{tail}\n" + "".join(f"{line}\n" for line in block) if block else f"  {name}: {{}}{tail}\n"
        found.append(Piece(name, above + body))
    return found


EDITS = st.lists(
    st.tuples(st.sampled_from(["label", "add", "remove"]), st.sampled_from(NAMES), KEYS, st.none() | WORDS), max_size=6
)


@given(pieces(), EDITS)
def test_any_edits_keep_every_other_node_and_comment_byte_for_byte(written, edits):
    text = "# top\ngpuyard: 1  # one\n\nnodes: # all\n" + "".join(piece.lines for piece in written) + "  # bottom\n"
    one = Draft(Path("inventory.yaml"), text.encode(), text)
    model, touched, removed = dict(loads(text, "text").nodes), set[str](), set[str]()
    for at, (verb, name, key, value) in enumerate(edits):
        if verb == "add":
            one.add({f"new-{at}": Node(address=f"new-{at}", labels={key: value or ""})})
            model[f"new-{at}"] = Node(address=f"new-{at}", labels={key: value or ""})
        elif name in model and verb == "label":
            one.label(name, {key: value})
            model[name] = _labelled(model[name], key, value)
            touched.add(name)
        elif name in model and len(model) > 1:
            one.remove(name)
            del model[name]
            removed.add(name)
    assert one.text is not None
    assert one.inventory().nodes == model
    rest = one.text
    for comment in ("# top\n", "# one\n", "nodes: # all\n", "  # bottom\n"):
        assert comment in rest
    for piece in written:
        if piece.name not in touched | removed:
            assert piece.lines in rest
        assert (f"# above {piece.name}\n" in piece.lines) == (f"# above {piece.name}\n" in rest)
        if piece.name not in removed:
            assert rest.count(f"# in {piece.name}\n") == piece.lines.count(f"# in {piece.name}\n")


def _labelled(node: Node, key: str, value: str | None) -> Node:
    if key == "site":
        return replace(node, site=value or "")
    if key == "owner":
        return replace(node, owner=value or "")
    kept = {word: text for word, text in node.labels.items() if word != key}
    return replace(node, labels=kept if value is None else kept | {key: value})
