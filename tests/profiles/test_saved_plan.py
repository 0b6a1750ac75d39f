"""Saved plans: the same when read, refused when tampered with, stale when the cluster has moved on."""

from hashlib import sha256

import msgspec
import pytest
from hypothesis import given
from msgspec.structs import replace

from profiles.desired.model import Cordon, Desired
from profiles.plans.profile_plan import plan_profile
from profiles.revisions.saved_plan import BadPlan, SavedPlan, moved_on, read, save, seen
from tests.profiles.test_plan import DESIRED, WANTED, holding, spec


def saved(desired: dict[str, Desired]) -> SavedPlan:
    plan = plan_profile("p", {"n1": [spec(model="m2")], "n2": [spec("b/0")]}, desired)
    return SavedPlan(by="ana", at_unix_s=1.5, reason="apply chat", seen=seen(plan, desired), plan=plan)


DOCUMENTS = {"n1": holding(spec(options={"seed": 1, "x": [1.0, None]})), "n2": holding(spec("b/0")), "n3": holding()}


@given(WANTED, DESIRED)
def test_what_is_read_is_what_was_saved(wanted: dict[str, list[object]], desired: dict[str, Desired]) -> None:
    plan = plan_profile("p", wanted, desired)  # type: ignore[arg-type]
    made = SavedPlan(by="ana", at_unix_s=1.5, reason="why", seen=seen(plan, desired), plan=plan)
    assert read(save(made)) == made


def test_a_file_that_was_changed_is_refused() -> None:
    text = save(saved(DOCUMENTS))
    plain = msgspec.json.decode(text)
    plain["plan"]["nodes"][0]["instances"]["a/0"]["spec"]["model"] = "evil"
    with pytest.raises(BadPlan, match="another one"):
        read(msgspec.json.encode(plain))
    more = msgspec.json.decode(text) | {"note": "mine"}
    with pytest.raises(BadPlan, match="another one"):
        read(msgspec.json.encode(more))
    same = dict(reversed(msgspec.json.decode(text).items()))
    assert read(msgspec.json.encode(same)) == saved(DOCUMENTS), "order and blanks mean nothing"


def test_a_key_of_another_version_is_not_dropped_unseen() -> None:
    plain = msgspec.json.decode(save(saved(DOCUMENTS)))
    del plain["digest"]
    plain["plan"]["nodes"][0]["instances"]["a/0"]["spec"]["isolate"] = True
    digest = sha256(msgspec.json.encode(plain, order="deterministic")).hexdigest()
    with pytest.raises(BadPlan, match="knows other keys"):
        read(msgspec.json.encode({"digest": digest, **plain}))


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"gpuyard": 2, "kind": "saved-plan"}', b'{"gpuyard": 1}'])
def test_what_is_no_plan_is_refused(text: bytes) -> None:
    with pytest.raises(BadPlan, match="no saved plan"):
        read(text)


def test_it_stands_while_every_node_in_it_stays_as_it_was() -> None:
    plan = saved(DOCUMENTS)
    assert set(plan.seen) == {"n1", "n2"}, "n3 has nothing of it"
    assert moved_on(plan.seen, DOCUMENTS) == ()
    assert moved_on(plan.seen, DOCUMENTS | {"n3": holding(spec("c/0"))}) == ()
    later = replace(DOCUMENTS["n2"], generation=4, author="bob", reason="stop b", instances={})
    (why,) = moved_on(plan.seen, DOCUMENTS | {"n2": later})
    assert why.code == "stale"
    assert why.text == "n2 was changed since: generation 3 → 4 by bob (stop b)"
    anew = holding(spec("a/0", model="m9"))
    (why,) = moved_on(plan.seen, DOCUMENTS | {"n1": anew})
    assert "at generation 3 again, with another document" in why.text
    cordoned = replace(DOCUMENTS["n1"], cordons={"": Cordon()})
    assert moved_on(plan.seen, DOCUMENTS | {"n1": cordoned})
