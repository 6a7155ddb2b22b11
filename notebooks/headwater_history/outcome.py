"""What becomes of tables in a run: kept as it goes, told at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql.types import DataType

from .errors import HeadwaterError
from .files import File
from .fold import Decision, Log
from .names import Spec

# Called after each step with the table and the step's name.
Step = Callable[[str, str], None]


@dataclass(frozen=True)
class Work:
    """What the log and the queries about a table's new files need: the view of their rows, and the columns."""

    rows: str
    spec: Spec
    columns: dict[str, DataType]


@dataclass
class Outcome:
    """What became of one table in one run. Times are seconds since 1970, `newest` (None: no event) and `reloaded` (the
    moment that a complete reload counts from) microseconds."""

    table: str
    started: float
    seconds: float = 0.0
    error: str | None = None
    applied: list[File] = field(default_factory=list)
    aside: dict[File, str] = field(default_factory=dict)
    left: list[File] = field(default_factory=list)
    loads: int = 0
    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    late: int = 0
    quarantined: int = 0
    newest: int | None = None
    reload: str | None = None  # what became of a marker
    reloaded: int | None = None
    work: Work | None = None  # None: no file was applied
    log: Log | None = None  # None: there is no log
    folded: Decision | None = None

    def summary(self) -> dict[str, Any]:
        lag = None if self.newest is None else round(self.started + self.seconds - self.newest / 1e6, 3)
        return {
            "table": self.table,
            "outcome": "succeeded" if self.error is None else "failed",
            "error": self.error,
            "seconds": round(self.seconds, 3),
            "files": len(self.applied),
            "filesSetAside": [
                {"file": file.relative, "reason": reason} for file, reason in self.aside.items()
            ],
            "filesLeft": [file.relative for file in self.left],
            "events": {"load": self.loads, "I": self.inserts, "U": self.updates, "D": self.deletes},
            "late": self.late,
            "quarantined": self.quarantined,
            "reload": self.reload,
            "folded": None if self.folded is None else {"way": self.folded.way, "reason": self.folded.reason},
            "lagSeconds": lag,
        }


@dataclass(frozen=True)
class Summary:
    """What `apply` did. `as_json` is what the notebook exits with."""

    run_id: str
    seconds: float
    outcomes: list[Outcome]

    @property
    def failed(self) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.error is not None]

    def as_json(self) -> dict[str, Any]:
        return {
            "run": self.run_id,
            "outcome": "failed" if self.failed else "succeeded",
            "seconds": round(self.seconds, 3),
            "tables": [outcome.summary() for outcome in self.outcomes],
        }


class ApplyFailed(HeadwaterError):
    """Some tables failed. The others are done, and the run's record is written."""

    def __init__(self, summary: Summary) -> None:
        self.result = summary
        lines = [f"{outcome.table}: {outcome.error}" for outcome in summary.failed]
        super().__init__(
            "apply/tables-failed",
            f"{len(lines)} of {len(summary.outcomes)} tables failed; their files wait in the incoming volumes:\n"
            + "\n".join(lines),
        )
