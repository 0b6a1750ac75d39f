"""Cordons in a few words, wherever a node or a GPU is shown."""

from console.render.text import age, one_line
from console.store import NodeView
from profiles.desired.model import Cordon
from profiles.placing.cordon import NODE, called

SIGN = "⊘"


def is_cordoned(view: NodeView, gpu_uuid: str = NODE) -> bool:
    """A GPU of a cordoned node is as good as cordoned itself."""
    return NODE in view.desired.cordons or gpu_uuid in view.desired.cordons


def cordon_of(view: NodeView, gpu_uuid: str = NODE) -> Cordon | None:
    """Its own, else that of its node."""
    return view.desired.cordons.get(gpu_uuid) or view.desired.cordons.get(NODE)


def said(key: str, cordon: Cordon, now_unix_s: float) -> str:
    """`GPU 3 cordoned by ana 2h05m ago: fan noise`, or `node cordoned by …`; `now_unix_s` is of the node's clock."""
    why = f": {cordon.reason}" if cordon.reason else ""
    what = "node" if key == NODE else called(key, cordon)
    return one_line(f"{what} cordoned by {cordon.author or 'nobody'} {age(now_unix_s - cordon.at_unix_s)} ago{why}")


def node_cordons(view: NodeView, now_unix_s: float) -> list[str]:
    """Everything on the node that is cordoned, the node itself first; `now_unix_s` is of our clock."""
    now = now_unix_s + view.clock_skew_s
    return [said(key, cordon, now) for key, cordon in sorted(view.desired.cordons.items())]


def count(views: list[NodeView]) -> str:
    """`2 nodes and 3 GPUs cordoned`; "" where nothing is."""
    nodes = sum(NODE in view.desired.cordons for view in views)
    gpus = sum(key != NODE for view in views for key in view.desired.cordons)
    parts = [
        f"{number} {word}{'s' if number != 1 else ''}" for number, word in ((nodes, "node"), (gpus, "GPU")) if number
    ]
    return f"{' and '.join(parts)} cordoned" if parts else ""
