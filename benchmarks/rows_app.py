"""The GPU screen with many live rows at 1 Hz, to measure from key to paint.

python benchmarks/rows_app.py --rows 8000
"""

import argparse
import sys
from pathlib import Path

from msgspec.structs import replace

sys.path.insert(0, str(Path(__file__).parents[1]))

from agents.wire import Delta
from console.app import Yard
from console.screens.session import Session
from tests.fakes.fleet import many


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=8000)
    store = many(parser.parse_args().rows // 8)
    turns = iter(range(1 << 30))

    class Bench(Yard):
        def on_mount(self) -> None:
            self.call_after_refresh(self.action_go, "gpus")
            self.set_interval(1 / PORTIONS, self.feed)

        def feed(self) -> None:
            """A portion of the nodes says something new, as links deliver it: spread over the second."""
            turn = next(turns)
            for view in list(store.nodes.values())[turn % PORTIONS :: PORTIONS]:
                gpus = tuple(
                    replace(gpu, busy_ratio=((gpu.busy_ratio or 0) + 0.07) % 1, power_w=100 + turn % 500)
                    for gpu in view.gpus.values()
                )
                store.receive(view.name, Delta(at_unix_s=store.wall(), gpus=gpus))

    Bench(Session("bench", store)).run()


PORTIONS = 50

if __name__ == "__main__":
    main()
