"""For pages of what a verdict can be given on: it is asked for anew while the page is open."""

import asyncio
from collections.abc import Sequence

from console.explaining import explained, node_of
from console.render.fit import Line
from console.render.verdict import verdict_lines, with_verdict
from console.screens.detail import DetailScreen
from console.screens.session import Session
from console.store import Key
from profiles.explain.verdict import Verdict

EVERY_S = 3.0
LOOK_EVERY_S = 0.25


class Judged(DetailScreen):
    """A child says its `facts`; the verdict goes in below what stands first."""

    key: Key

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.verdict: Verdict | None = None

    def on_mount(self) -> None:
        self.run_worker(self._judge(), name="verdict", exit_on_error=True)

    def facts(self) -> Sequence[Line]:
        raise NotImplementedError

    def lines(self) -> Sequence[Line]:
        if self.verdict is None:
            return self.facts()
        store = self.session.store
        view = store.nodes.get(node_of(store, self.key, self.verdict))
        skew_s = view.clock_skew_s if view else 0.0
        return with_verdict(self.facts(), verdict_lines(self.verdict, self.size.width, skew_s, store.wall()))

    async def _judge(self) -> None:
        while True:
            fleet = self.session.fleet
            if fleet is None:
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            self.verdict = await explained(fleet, self.session.store, self.key)
            self.fill()
            await asyncio.sleep(EVERY_S)
