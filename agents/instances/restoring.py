"""spec.json anew, where it was lost: from the one before it, the handle, the lock and the document.

An engine that runs goes on under it, since without it nobody would know whose it is and where it listens.
"""

from msgspec.structs import replace

from agents import state
from agents.instances.runner import Started
from agents.layout import InstanceLayout
from agents.processes.process import Handle
from agents.processes.recovery import last_taken
from profiles.desired.model import DesiredInstance


def restore(paths: InstanceLayout, owned: DesiredInstance, previous: Started | None) -> Started | None:
    """Written anew; None where nothing says which incarnation it was, or where it listens. Raises OSError.

    `previous` is believed about its own incarnation alone; of a later one, `owned` is what was most likely started.
    """
    handle = state.peek(paths.handle, Handle)
    incarnation = handle.incarnation if isinstance(handle, Handle) else last_taken(paths)
    port = handle.port if isinstance(handle, Handle) else previous.port if previous else None
    if not incarnation or port is None:
        return None
    if previous and previous.incarnation == incarnation:
        started = previous
    elif previous:
        started = replace(previous, owned=owned, incarnation=incarnation, port=port, ready=False)
    else:
        started = Started(owned=owned, incarnation=incarnation, port=port)
    state.save(paths.spec, started)
    return started
