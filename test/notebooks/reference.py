"""What history must be, written down once more without Spark or SQL: a state machine over one key's events.

Shares nothing with the library. `Event.values` is None for a delete that carries no before image. A
delete among load rows: the table was loaded again, and the key was not there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Values = tuple[Any, ...]
Version = tuple[Values, float, float | None]


@dataclass(frozen=True)
class Event:
    at: float
    seq: int  # -1 for a load row
    op: str
    values: Values | None

    @property
    def load(self) -> bool:
        return self.seq < 0


def versions(
    events: Iterable[Event], tracked: tuple[int, ...] | None = None, removes: bool = False
) -> list[Version]:
    """(values, start, end) of every version, in order; end None while it is the current one. `tracked`: the places of
    the values that open a version when they change; None: all. `removes`: a delete takes what was before it."""
    inbox = sorted(set(events), key=lambda event: (event.at, event.seq))
    told: list[Version] = []
    state: Values | None = None
    since = 0.0
    while inbox:
        moment = inbox[0].at
        while inbox and inbox[0].at == moment:
            event, becomes = inbox.pop(0), None
            following = inbox[0] if inbox else None
            if event.op != "D":
                becomes = event.values
            if event.load and event.op != "D" and following is not None:
                if following.op == "I" and not following.load:
                    becomes = None  # it was not there yet when the task started
                imaged = following.op == "D" and any(v is not None for v in following.values or ())
                if imaged:
                    becomes = following.values  # the row was read after it had been deleted and put back
        if becomes == state:
            continue
        alive = becomes is not None and state is not None
        if alive and tracked is not None and all(becomes[place] == state[place] for place in tracked):
            state = becomes
            continue
        if state is not None:
            told.append((state, since, moment))
        if becomes is None and removes:
            told = []
        state, since = becomes, moment
    if state is not None:
        told.append((state, since, None))
    return told
