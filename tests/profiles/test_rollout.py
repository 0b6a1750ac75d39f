"""The key `rollout`: what it means, and what is said of values that mean nothing."""

import pytest

from profiles.desired.rollout import OnFailure, Rollout
from profiles.files.jsonschema import profile_schema
from profiles.files.load import parse_profile
from profiles.text.document import FileError
from profiles.text.yamltext import read

HEAD = "gpuyard: 1\nprofile: p\nservices: {a: {engine: vllm, model: m}}\nrollout: "


def test_what_is_left_out_and_what_is_said() -> None:
    assert parse_profile(read(HEAD + "{}", "f")).rollout.rule() == Rollout()
    said = parse_profile(read(HEAD + "{max_parallel: 2, soak: 0s, ready_deadline: 1h, on_failure: pause}", "f"))
    assert said.rollout.rule() == Rollout(
        max_parallel=2, soak_s=0.0, ready_deadline_s=3600.0, on_failure=OnFailure.PAUSE
    )


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("{max_parallel: 0}", "4:25: `max_parallel` must be 1 to 1000, not 0", "so many replicas"),
        ("{soak: 30}", "4:17: expected text, found a whole number", "put it in quotes"),
        ("{soak: soon}", "4:17: `soon` is no duration", "a number and ms, s, m, h or d: `30s`"),
        ("{soak: 2h}", "4:17: `soak` must be 0s to 3600s, not 2h", "choose another"),
        ("{ready_deadline: 0s}", "4:27: `ready_deadline` must be 1s to 86400s, not 0s", "choose another"),
        ("{on_failure: hope}", "4:23: invalid enum value 'hope'", ""),
        ("{sook: 1s}", "4:11: unknown key `sook`", "did you mean `soak`?"),
    ],
)
def test_what_is_refused(text: str, message: str, hint: str) -> None:
    with pytest.raises(FileError) as refused:
        parse_profile(read(HEAD + text, "f"))
    assert message in str(refused.value)
    assert hint in refused.value.hint


def test_an_editor_knows_it() -> None:
    defined = profile_schema()["$defs"]["RolloutRequest"]["properties"]  # type: ignore[index]
    assert defined["soak"]["pattern"] == defined["ready_deadline"]["pattern"]
