"""The demo's profile fits whatever nodes are asked for."""

import pytest

from console.demo.cluster import CONTENDED_SERVICE
from console.demo.node import names
from console.demo.services import fitted, profile_text
from profiles.load import parse_profile
from profiles.yamltext import read


@pytest.mark.parametrize(("nodes", "gpus"), [(1, 1), (1, 2), (1, 8), (3, 8), (2, 4), (32, 16)])
def test_the_profile_loads_and_gives_no_gpu_twice_but_the_shared_one(nodes: int, gpus: int) -> None:
    services = fitted(names(nodes), gpus)
    profile = parse_profile(read(profile_text(services)))
    assert "chat-8b" in profile.services
    own = [device for service in services if not service.shares for device in service.devices]
    assert len(own) == len(set(own)) <= nodes * gpus


def test_names_are_distinct_and_by_site() -> None:
    assert names(3) == ["fra-1", "fra-2", "ams-1"]
    assert len(set(names(32))) == 32


def test_the_contended_service_is_always_there() -> None:
    assert [service.name for service in fitted(["a"], 1)] == [CONTENDED_SERVICE]
