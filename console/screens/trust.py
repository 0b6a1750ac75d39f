"""Host keys that wait for a yes: one that nobody has confirmed, and new ones that a known host has proved."""

from console.render.fit import Line
from console.render.table import Tone
from console.screens.dialog import Dialog
from console.screens.session import RotationShown, UnknownKeyShown


def trust_dialog(node: str, key: UnknownKeyShown) -> Dialog:
    """Asks whether `key` is really the one of `node`."""
    lines = [
        ((f"Is this the host key of {node} ({key.host}, port {key.port})?", Tone.PLAIN),),
        (),
        *_shown("", key),
        (),
        (("Compare it with what the machine itself says:", Tone.DIM),),
        (("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub", Tone.DIM),),
    ]
    return Dialog(lines, [("y", "yes, store it and connect")], safe="do not trust it")


def rotation_dialog(node: str, rotation: RotationShown) -> Dialog:
    """Asks whether to record what the host of `node` has proved by the key that is known."""
    lines: list[Line] = [
        ((f"The host of {node} ({rotation.host}, port {rotation.port}) changes its host keys.", Tone.PLAIN),),
        (("It proves them over a connection by the key that is known.", Tone.DIM),),
        (),
        *(line for key in rotation.added for line in _shown("new ", key)),
        *(line for key in rotation.removed for line in _shown("drops ", key)),
    ]
    return Dialog(lines, [("y", "yes, record that")], safe="leave it as it is")


def _shown(what: str, key: UnknownKeyShown) -> list[Line]:
    """Two lines, for the fingerprint must be whole on a small screen."""
    return [((f"{what}{key.algorithm}", Tone.DIM),), ((key.fingerprint, Tone.WARN),)]
