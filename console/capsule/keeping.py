"""`K`: a capsule of the last quarter of an hour, written where the console was started."""

from pathlib import Path

from textual.app import App

from console.capsule import pack
from console.capsule.gather import LAST_S, gather
from console.capsule.pack import usual_name
from console.screens.session import Session


async def keep(app: App[None], session: Session) -> None:
    """Says where it is and how large, or why there is none."""
    if session.replay or session.fleet is None:
        why = "this is one" if session.replay else "the fleet is still being reached: try again in a moment"
        app.notify(f"No capsule: {why}.", severity="warning", markup=False)
        return
    app.notify("Asking the nodes for the last 15 minutes …", markup=False)
    capsule = await gather(session.fleet, session.store, LAST_S)
    path = Path(usual_name(capsule.to_unix_s)).absolute()
    try:
        content = pack.packed(capsule)
        pack.write(path, content)
    except pack.TooLarge:
        app.notify("No capsule: it would be too large. `gpuyard capsule --last 5m` makes a shorter one.",
                   severity="error", markup=False)  # fmt: skip
        return
    except OSError as error:
        app.notify(f"No capsule: {path} cannot be written: {error.strerror}.", severity="error", markup=False)
        return
    lacks = f" Left out: {'; '.join(capsule.left_out)}." if capsule.left_out else ""
    app.notify(f"{path}: {len(content):,} bytes, {len(capsule.nodes)} nodes, secrets taken out.{lacks}", markup=False)
