"""A host key that nobody has confirmed: shown once, stored on a yes."""

from console.render.table import Tone
from console.screens.dialog import Dialog
from console.screens.session import UnknownKeyShown


def trust_dialog(node: str, key: UnknownKeyShown) -> Dialog:
    """Asks whether `key` is really the one of `node`."""
    lines = [
        ((f"Is this the host key of {node} ({key.host}, port {key.port})?", Tone.PLAIN),),
        (),
        ((f"{key.algorithm}  ", Tone.DIM), (key.fingerprint, Tone.WARN)),
        (),
        (("Compare it with what the machine itself says:", Tone.DIM),),
        (("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub", Tone.DIM),),
    ]
    return Dialog(lines, [("y", "yes, store it and connect")], safe="do not trust it")
