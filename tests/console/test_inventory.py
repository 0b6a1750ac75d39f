"""Inventories as people write them, and what is said of wrong ones."""

from pathlib import Path

import pytest

from console import inventory
from console.inventory import Inventory, Node
from profiles.text.document import FileError


def load(folder: Path, text: str) -> Inventory:
    path = folder / "inventory.yaml"
    path.write_text(text)
    return inventory.load(path)


def test_a_node_needs_no_more_than_its_name(tmp_path):
    assert load(tmp_path, "gpuyard: 1\nnodes:\n  fra-1: {}\n").nodes == {"fra-1": Node(address="fra-1")}


def test_everything_that_can_be_said_of_a_node(tmp_path):
    found = load(
        tmp_path,
        "gpuyard: 1\nnodes:\n  fra-2: {address: 10.0.0.2, port: 2222, user: ops, identity_file: ~/.ssh/yard, site: fra,"
        " labels: {rack: a3}, agent: /opt/agent, socket: /run/x.sock}\n  here: {local: true}\n",
    )
    assert found.nodes["fra-2"] == Node(
        address="10.0.0.2", port=2222, user="ops", identity_file="~/.ssh/yard", site="fra", labels={"rack": "a3"},
        agent="/opt/agent", socket="/run/x.sock",
    )  # fmt: skip
    assert found.nodes["here"].local


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("gpuyard: 2\nnodes: {a: {}}\n", "1:10", "version 2"),
        ("gpuyard: 1\nnodes: {}\n", "2:8", "no node"),
        ("gpuyard: 1\nnodes:\n  a: {prt: 22}\n", "3:7", "unknown key `prt`"),
        ("gpuyard: 1\nnodes:\n  a: {port: 70000}\n", "3:13", "70000 is no port"),
        ("gpuyard: 1\nnodes:\n  a b: {}\n", "3:3", "cannot name a node"),
        ("gpuyard: 1\nnodes:\n  a: {address: me@host}\n", "3:16", "the user is part"),
        ("gpuyard: 1\nnodes:\n  a: {address: -oProxyCommand=x}\n", "3:16", "is no address"),
        ("gpuyard: 1\nnodes:\n  a: {agent: gpuyard-agent}\n", "3:14", "no absolute path"),
        ("gpuyard: 1\nnodes:\n  a:\n", "3:5", "expected"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, text, place, message):
    with pytest.raises(FileError) as refused:
        load(tmp_path, text)
    assert f":{place}: " in str(refused.value)
    assert message in refused.value.message


def test_this_machine_needs_no_file():
    (node,) = inventory.local().nodes.values()
    assert node.local


def test_a_site_is_a_part_of_it_and_an_unknown_one_names_the_known():
    both = Inventory(nodes={"a": Node(site="fra"), "b": Node(site="ams")})
    assert list(inventory.at_site(both, "ams").nodes) == ["b"]
    with pytest.raises(KeyError) as unknown:
        inventory.at_site(both, "nyc")
    assert unknown.value.args == ("ams", "fra")


def test_it_is_found_where_the_person_keeps_configurations(tmp_path):
    assert inventory.find({"XDG_CONFIG_HOME": str(tmp_path)}) == tmp_path / "gpuyard" / "inventory.yaml"
