"""Keys one at a time: what is typed fast means what it means when it is typed slowly.

Textual 8.2.8 gives a key to whatever has the focus when it is read. A slow link brings several keys at once,
and `/queue` would open the filter and quit, because the filter takes the focus a moment later.

    key ─► the widget with the focus ─► its parents ─► the app ─► the screen it opened is there ─► the next key
"""

from collections import deque
from functools import partial

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

LIMIT_S = 0.5
"""A widget that is taken away with a key in hand never gives it back."""
LOOK_EVERY_S = 0.01


class OneKeyAtATime(App[None]):
    """An app whose keys wait for what the key before them does."""

    def __init__(self) -> None:
        super().__init__()
        self._typed: deque[events.Key] = deque()
        self._in_hand: events.Key | None = None

    @property
    def pressed_at_s(self) -> float | None:
        """When the key was typed whose work is done now; None where none is in hand. Of the clock of events."""
        return self._in_hand.time if self._in_hand else None

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
        elif self._in_hand is None:
            await self._hand_over(event)
        else:
            self._typed.append(event)

    async def _hand_over(self, key: events.Key) -> None:
        self._in_hand = key
        holder: MessagePump = self.focused or self.screen
        await super().on_event(key)
        self.set_timer(LIMIT_S, partial(self._done, key))
        self._follow(key, holder, 0)

    def _follow(self, key: events.Key, holder: MessagePump | None, rounds: int) -> None:
        """Comes by each of the key's holders in turn, behind the key; then once more, behind what it made them say."""
        while holder is not None and holder is not self:
            above = holder._parent
            if holder.call_later(self._follow, key, above, rounds):
                return
            holder = above
        if rounds < 1:
            self.call_later(self._follow_again, key, rounds + 1)
        else:
            self.call_later(self._done, key)

    def _follow_again(self, key: events.Key, rounds: int) -> None:
        self._follow(key, self.focused or next(reversed(self.screen_stack), None), rounds)

    def _done(self, key: events.Key) -> None:
        screens = self.screen_stack
        if not screens:
            return  # the app ends
        if screens[-1].is_mounted:
            self.call_later(self._next, key)  # behind the focus that the screen asked for
        else:
            self.set_timer(LOOK_EVERY_S, partial(self._done, key))

    async def _next(self, key: events.Key) -> None:
        if key is not self._in_hand:
            return
        self._in_hand = None
        if self._typed:
            await self._hand_over(self._typed.popleft())
