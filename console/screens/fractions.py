"""How GPUs are shared: a row a GPU, and under them the one in hand, divided."""

from collections.abc import Iterable

from textual import on
from textual.widget import Widget

from console.render.fractions import SHARING_COLUMNS, sharing_row
from console.render.sharing import sharing_lines
from console.render.table import Row
from console.screens.dividing import DIVIDE_BINDINGS, DividesGpus
from console.screens.gpus import GpusScreen
from console.screens.session import Session
from console.store import Key, Kind
from console.widgets.lines import Lines
from console.widgets.rows import Rows


class FractionsScreen(DividesGpus, GpusScreen):
    """The keys are those of the GPUs, and one that divides them."""

    columns = SHARING_COLUMNS
    BINDINGS = [*DIVIDE_BINDINGS]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.crumb = "fractions"

    def body(self) -> Iterable[Widget]:
        yield from super().body()
        yield Lines(id="division")

    def make(self, key: Key) -> Row | None:
        return sharing_row(self.session.store, key)

    def take(self, dirty: set[Key]) -> None:
        """What an instance does changes the rows of its GPUs."""
        nodes = {key.node for key in dirty if key.kind is Kind.INSTANCE}
        super().take(dirty | {key for node in nodes for key in self.session.store.keys(Kind.GPU, node)})

    def tick(self) -> None:
        super().tick()
        self.show_division()

    @on(Rows.Moved)
    def show_division(self) -> None:
        if not self.composed:
            return
        store, cursor = self.session.store, self.table().cursor
        view = store.nodes.get(cursor.node) if cursor else None
        gpu = view.gpus.get(cursor.name) if view and cursor else None
        lines = sharing_lines(view, gpu, self.size.width, store.wall() + view.clock_skew_s) if view and gpu else []
        self.query_one("#division", Lines).show(lines)
