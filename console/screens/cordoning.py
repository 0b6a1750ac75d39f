"""Cordon of the node or GPU in hand, or the way back: question → apply."""

from textual.binding import Binding

from console.render.cordons import cordon_of, said
from console.render.fit import Line
from console.render.table import Tone
from console.render.text import one_line, plural
from console.screens.base import YardScreen
from console.screens.dialog import Dialog
from console.store import Key, NodeView
from profiles.placing.cordon import NODE
from profiles.plans.cordon_plan import Place

READABLE_S = 12.0

CORDON_BINDINGS = [
    Binding("x", "cordon", "actions", id="place.act", tooltip="Cordon it, or take that back"),
]


class CordonsPlaces(YardScreen):
    """A screen whose rows are nodes or GPUs: the name of a node's row is that of the whole node."""

    def why_not(self, action: str) -> str:
        if action != "cordon":
            return super().why_not(action)
        key = self.place_in_hand()
        return self.session.why_not(key.node) if key else "nothing is selected"

    def action_cordon(self) -> None:
        key, refusal = self.place_in_hand(), self.why_not("cordon")
        if key is None or refusal:
            self.notify(f"Nothing can be changed: {refusal}.", severity="warning", markup=False)
            return
        view = self.session.store.nodes[key.node]
        place = Place(key.node, key.name, view.gpus[key.name].index if key.name in view.gpus else None)
        lift = key.name in view.desired.cordons
        verb = "uncordon" if lift else "cordon"

        def answered(answer: str | None) -> None:
            if answer == "y":
                self.run_worker(self._apply_cordon(place, lift, f"{verb} from the console"), exit_on_error=True)

        question = Dialog(self._question(view, place, lift), [("y", f"yes, {verb} it")])
        self.app.push_screen(question, answered)

    def place_in_hand(self) -> Key | None:
        """The node or GPU that the next action is about."""
        return self.rows.cursor if self.rows is not None else None

    def _question(self, view: NodeView, place: Place, lift: bool) -> list[Line]:
        name = _called(place)
        now = self.session.store.wall() + view.clock_skew_s
        if lift:
            lines = [f"Uncordon {name}: new instances may be placed there again."]
            return [
                ((text, Tone.PLAIN),)
                for text in (*lines, said(place.gpu_uuid, view.desired.cordons[place.gpu_uuid], now))
            ]
        there = [one for one in view.instances.values()
                 if place.gpu_uuid == NODE or any(held.gpu_uuid == place.gpu_uuid for held in one.slices)]  # fmt: skip
        stays = f"{plural(len(there), 'instance')} there {'stays' if len(there) == 1 else 'stay'} and may start again."
        lines = [f"Cordon {name}: nothing new is placed there. {stays}"]
        if place.gpu_uuid != NODE and (whole := cordon_of(view)) is not None:
            lines.append(f"Its node is cordoned as it is: {said(NODE, whole, now)}")
        return [((text, Tone.PLAIN),) for text in lines]

    async def _apply_cordon(self, place: Place, lift: bool, reason: str) -> None:
        operations = self.session.operations
        if operations is None:
            return
        plan = operations.propose_cordon([place], lift=lift)
        if plan.blockers:
            self._tell(f"{plan.blockers[0].text}. {plan.blockers[0].hint}", bad=True)
            return
        if not plan.changes_anything:
            self._tell(f"{_called(place)} is {'not cordoned' if lift else 'cordoned'} already.")
            return
        for applied in await operations.apply(plan, reason):
            if applied.ok:
                self._tell(f"{_called(place)} is {'uncordoned' if lift else 'cordoned'}.")
            else:
                why = applied.reason
                self._tell(f"{applied.node} refused: {why.text}. {why.hint}" if why else "refused", bad=True)

    def _tell(self, text: str, *, bad: bool = False) -> None:
        self.notify(one_line(text), severity="error" if bad else "information", timeout=READABLE_S, markup=False)


def _called(place: Place) -> str:
    """`fra-1`, or `GPU fra-1/3`."""
    return place.node if place.gpu_uuid == NODE else f"GPU {place.node}/{place.gpu_index}"
