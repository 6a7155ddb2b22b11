"""Names of everything that is kept, quoted for SQL; the library's own columns; the two conventions of history columns."""

from __future__ import annotations

from dataclasses import dataclass

from .config import Pipeline, Table

# The log's own columns. They come first in the log, since Delta keeps statistics of the first 32 columns only.
PART, RUN = "__part", "__run"
OP, TIME, SEQ, LOAD, START, END, FILE = (
    "__op", "__commit_time", "__change_seq", "__load", "__start", "__end", "__file",
)  # fmt: skip
LOG_COLUMNS = {
    PART: "STRING",  # where in the log the row is: see below
    RUN: "STRING",  # the run that put it there
    OP: "STRING",  # I, U or D; V: a version only, whose event is told by other rows
    TIME: "TIMESTAMP",  # commit at the source; task start for load rows
    SEQ: "STRING",  # position within the source's log; '' when DMS gave none
    LOAD: "BOOLEAN",  # a row of the full load, not a captured change
    START: "TIMESTAMP",  # the version that this event carries begins here; NULL when it carries none
    END: "TIMESTAMP",  # and ends here; NULL while it is the current one
    FILE: "STRING",  # the name of the file that brought the event
}
PARTITIONED_BY = (PART, RUN)

# The parts of a log. An event arrives in `tail`, or in `late` when events of its time are folded already. Folding
# moves it: into `closed` when it carries a version that has ended, into `past` when it carries none. The last event of
# each key is in `base` or, when it came after the base was written, in `recent`, where it hides the key's row in `base`.
BASE, RECENT, CLOSED, PAST, TAIL, LATE = "base", "recent", "closed", "past", "tail", "late"


def q(name: str) -> str:
    """An identifier quoted for Spark SQL."""
    return "`" + name.replace("`", "``") + "`"


def text(value: str) -> str:
    """A string literal for Spark SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


@dataclass(frozen=True)
class Spec:
    """A table together with where its history lives and what its history columns are called."""

    table: Table
    catalog: str
    schema: str
    start: str
    end: str
    current: str | None
    version: int | None = None  # of the log: as it was after the commit of that number

    def name(self, suffix: str = "") -> str:
        return f"{q(self.catalog)}.{q(self.schema)}.{q(self.table.name + suffix)}"

    @property
    def history(self) -> str:
        return self.name()

    @property
    def log(self) -> str:
        return self.name("__log") + ("" if self.version is None else f" VERSION AS OF {self.version}")

    @property
    def keys(self) -> tuple[str, ...]:
        return self.table.keys

    @property
    def history_columns(self) -> tuple[str, ...]:
        """What the history's view adds to the source's columns."""
        if self.table.rule.scd_type == 1:
            return ()
        return tuple(name for name in (self.current, self.start, self.end) if name is not None)


def spec_of(pipeline: Pipeline, table: Table) -> Spec:
    names = {"paper": ("effective_date", "end_date", "current"), "autoCdc": ("__START_AT", "__END_AT", None)}
    start, end, current = names[pipeline.history_columns]
    return Spec(table, pipeline.catalog, pipeline.schema, start or "", end or "", current)


# How the views of a log read it. WHOLE derives everything anew: the least to plan, right for a small log. PLAIN reads
# what was folded and derives the keys of `recent` and `tail` only. WITH_LATE also derives the keys with late events.
WHOLE, PLAIN, WITH_LATE = "whole", "plain", "with late"
