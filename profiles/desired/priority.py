"""Who goes first where a GPU has not room for all: a word or a number, the higher the sooner."""

NORMAL = "normal"
PRIORITIES = {"low": 50, NORMAL: 100, "high": 150}
MOST = 1000


class BadPriority(ValueError):
    """Neither a known word nor a number in range."""

    def __init__(self, value: int | str) -> None:
        super().__init__(f"`{value}` is no priority")
        self.message = str(self)
        self.hint = f"one of {', '.join(PRIORITIES)}, or a number from 0 to {MOST}"


def priority(value: int | str) -> int:
    """Raises BadPriority."""
    number = PRIORITIES.get(value) if isinstance(value, str) else value
    if number is None or not 0 <= number <= MOST:
        raise BadPriority(value)
    return number
