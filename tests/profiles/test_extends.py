"""Profiles that extend a file beside them: what they become, and where their mistakes really are."""

from pathlib import Path

import pytest

from profiles.files.extends import read_profile
from profiles.files.load import load_profile, parse_profile
from profiles.text.yamltext import FileError, read

BASE = """\
gpuyard: 1
profile: base
owner: search-team
defaults: {engine: vllm}
services:
  chat:
    model: m
    gpus: {devices: [fra-1/0, fra-1/1]}
    options: {max_num_seqs: 64, max_model_len: 8192}
    env: {HF_TOKEN: {secret: hf-token}}
  draft: {model: small}
"""
PROD = """\
gpuyard: 1
profile: prod
extends: base.yaml
services:
  chat:
    gpus: {devices: [ber-1/0]}
    options: {max_num_seqs: 128}
  draft: null
"""


def file(tmp_path: Path, prod: str = PROD, base: str = BASE) -> Path:
    (tmp_path / "base.yaml").write_text(base)
    (tmp_path / "prod.yaml").write_text(prod)
    return tmp_path / "prod.yaml"


def complaint(path: Path) -> tuple[str, str]:
    with pytest.raises(FileError) as caught:
        load_profile(path)
    return str(caught.value).replace(f"{path.parent}/", ""), caught.value.hint


def test_mappings_merge_lists_replace_and_null_takes_out(tmp_path: Path) -> None:
    profile = load_profile(file(tmp_path))
    assert (profile.profile, profile.owner, list(profile.services)) == ("prod", "search-team", ["chat"])
    chat = profile.services["chat"]
    assert chat.gpus is not None
    assert chat.gpus.devices == ("ber-1/0",)
    assert chat.options == {"max_num_seqs": 128, "max_model_len": 8192}
    assert list(chat.env) == ["HF_TOKEN"]


def test_its_text_is_complete_without_the_base(tmp_path: Path) -> None:
    path = file(tmp_path)
    text = read_profile(path).text
    path.with_name("base.yaml").unlink()
    assert text.startswith("# prod.yaml, with base.yaml written in\n")
    assert parse_profile(read(text)) == load_profile(file(tmp_path))


def test_what_extends_nothing_keeps_its_own_text(tmp_path: Path) -> None:
    file(tmp_path)
    assert read_profile(tmp_path / "base.yaml").text == BASE


@pytest.mark.parametrize(
    ("prod", "base", "message", "hint"),
    [
        (PROD, BASE.replace("max_model_len", "max_model_ln"),
         "base.yaml:9:33: vllm has no option `max_model_ln`", "did you mean `max_model_len`?"),
        (PROD, BASE.replace("owner", "ownr"), "base.yaml:3:1: unknown key `ownr`", "did you mean `owner`?"),
        (PROD.replace("max_num_seqs", "max_num_seq"), BASE,
         "prod.yaml:7:15: vllm has no option `max_num_seq`", "did you mean `max_num_seqs`?"),
        (PROD.replace("[ber-1/0]", "[ber-1]"), BASE,
         "prod.yaml:6:22: `ber-1` is no device", "write NODE/INDEX, like `fra-1/0`"),
        (PROD.replace("    options:", "    model: null\n    options:"), BASE,
         "prod.yaml:5:3: `model` is missing", "add `model: …`"),
        (PROD.replace("profile: prod\n", ""), BASE, "prod.yaml:1:1: `profile` is missing", "add `profile: …`"),
        (PROD, BASE + "extends: other.yaml\n", "base.yaml:12:1: what is extended extends nothing itself",
         "write what it needs of `other.yaml` into it"),
        (PROD, BASE.replace("gpuyard: 1", "gpuyard: 2"), "base.yaml:1:10: both files have the same `gpuyard: …`",
         "write the one that this gpuyard reads"),
        (PROD, "- 1\n", "base.yaml:1:1: only a mapping (key: value) can be extended", ""),
        (PROD, "a: [\n", "base.yaml:2:1: not valid YAML: did not find expected node content", ""),
        (PROD.replace("base.yaml", "../base.yaml"), BASE,
         "prod.yaml:3:10: `../base.yaml` is no file beside this one", "its name alone: `base.yaml`"),
        (PROD.replace("base.yaml", "gone.yaml"), BASE,
         "prod.yaml:3:10: gone.yaml cannot be read: No such file or directory", "check the path and its rights"),
        (PROD.replace("base.yaml", "7"), BASE,
         "prod.yaml:3:10: expected text, found a whole number", "put it in quotes"),
    ],
)  # fmt: skip
def test_mistakes_are_named_where_they_are(tmp_path: Path, prod: str, base: str, message: str, hint: str) -> None:
    assert complaint(file(tmp_path, prod, base)) == (message, hint)


def test_a_text_extends_nothing() -> None:
    with pytest.raises(FileError) as caught:
        parse_profile(read(PROD.replace("  draft: null\n", "    model: m\n    engine: vllm\n"), "text"))
    assert str(caught.value) == "text:3:10: a text has no file beside it"
