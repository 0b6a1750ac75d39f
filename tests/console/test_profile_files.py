"""`profile validate` and `profile schema`: of files alone."""

import json
from importlib.resources import files

from console.cli.parser import run


def test_each_wrong_file_is_named_with_its_place(tmp_path, capsys):
    wrong, worse = tmp_path / "wrong.yaml", tmp_path / "worse.yaml"
    wrong.write_text("gpuyard: 1\nprofile: p\nservces: {}\n")
    worse.write_text("gpuyard: 1\nprofile: p\nservices: {a: {engine: vllm, model: m, gpus: {type: H10}}}\n")
    good = str(files("profiles") / "examples" / "mixed-engines.yaml")
    assert run(["profile", "validate", str(wrong), good, str(worse)]) == 64
    said = capsys.readouterr()
    assert not said.out
    assert "wrong.yaml:3:1: unknown key `servces`" in said.err
    assert "worse.yaml:3:53: no GPU type is called `H10`" in said.err
    assert run(["profile", "validate", good]) == 0


def test_the_schema_knows_keys_and_units(capsys):
    assert run(["profile", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    kinds = schema["$defs"]
    assert kinds["Profile"]["additionalProperties"] is False
    assert set(kinds["Profile"]["required"]) == {"gpuyard", "profile"}
    assert kinds["Profile"]["if"] == {"required": ["extends"]}
    assert kinds["Profile"]["else"]["required"] == ["services"]
    assert kinds["GpuRequest"]["properties"]["memory"]["pattern"].endswith("(MiB|GiB|TiB)$")
    assert {"enum": ["node"]} in kinds["PlaceRequest"]["properties"]["spread"]["anyOf"]
