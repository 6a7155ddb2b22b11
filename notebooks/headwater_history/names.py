"""Names of everything that is kept, quoted for SQL; the library's own columns; the two conventions of history columns."""

from __future__ import annotations

from dataclasses import dataclass

from .config import Pipeline, Table

# The event log's own columns. They come first in the log, since Delta keeps statistics of the first 32 columns only.
OP, TIME, SEQ, LOAD, FILE, BATCH = "__op", "__commit_time", "__change_seq", "__load", "__file", "__batch"
LOG_COLUMNS = {
    OP: "STRING",  # I, U or D
    TIME: "TIMESTAMP",  # commit at the source; task start for load rows
    SEQ: "STRING",  # position within the source's log; '' when DMS gave none
    LOAD: "BOOLEAN",  # a row of the full load, not a captured change
    FILE: "STRING",  # the name of the file that brought it first
    BATCH: "STRING",  # the run that brought it
}


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

    def name(self, suffix: str = "") -> str:
        return f"{q(self.catalog)}.{q(self.schema)}.{q(self.table.name + suffix)}"

    @property
    def history(self) -> str:
        return self.name()

    @property
    def log(self) -> str:
        return self.name("__log")

    @property
    def keys(self) -> tuple[str, ...]:
        return self.table.keys

    @property
    def history_columns(self) -> tuple[str, ...]:
        return tuple(name for name in (self.current, self.start, self.end) if name is not None)


def spec_of(pipeline: Pipeline, table: Table) -> Spec:
    names = {"paper": ("effective_date", "end_date", "current"), "autoCdc": ("__START_AT", "__END_AT", None)}
    start, end, current = names[pipeline.history_columns]
    return Spec(table, pipeline.catalog, pipeline.schema, start or "", end or "", current)
