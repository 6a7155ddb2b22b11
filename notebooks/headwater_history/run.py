"""One run: every table's new files into its log, its history in line with the log, then the records and the files.

The order is what makes a run safe to kill at any point and start again: (1) log, (2) history, (3) quarantine,
(4) ledger, (5) files moved, (6) record of the run. A file stays in the incoming volume until all it holds is in the
tables, and applying a file again changes nothing, so the next run completes whatever this one left.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql.types import DataType

from . import control, history, tables
from .config import Pipeline, Table
from .errors import HeadwaterError, brief
from .files import File, Files, move_all, new_files
from .names import Spec, spec_of
from .reader import open_files, rows_of, unreadable
from .schema import reconcile

Step = Callable[[str, str], None]


@dataclass(frozen=True)
class Work:
    """What queries about a table's new files need: the view of their rows, the files' names, their commit times."""

    rows: str
    spec: Spec
    columns: dict[str, DataType]
    names: list[str]
    span: history.Span | None


@dataclass
class Outcome:
    """What became of one table in one run. Times are seconds since 1970, `newest` microseconds; None: no event."""

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
    new_events: int = 0
    quarantined: int = 0
    versions_inserted: int = 0
    versions_closed: int = 0
    versions_removed: int = 0
    newest: int | None = None
    work: Work | None = None  # None: no file was applied

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
            "newEvents": self.new_events,
            "quarantined": self.quarantined,
            "versions": {
                "inserted": self.versions_inserted,
                "closed": self.versions_closed,
                "removed": self.versions_removed,
            },
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


def apply(
    spark: SparkSession, files: Files, pipeline: Pipeline, *, step: Step = lambda table, name: None
) -> Summary:  # fmt: skip
    """Applies all new files of the pipeline's tables. `step(table, name)` is called after each step (tests stop there).

    Raises ApplyFailed at the end when a table failed; the others are complete by then."""
    started, run_id = time.time(), uuid.uuid4().hex
    there = tables.existing(spark, pipeline.catalog, pipeline.schema)
    tables.ensure_control(spark, pipeline.catalog, pipeline.schema, there)

    def run(table: Table) -> Outcome:
        return _Apply(spark, files, pipeline, spec_of(pipeline, table), run_id, there, step).run()

    with ThreadPoolExecutor(max_workers=tables.PARALLEL) as pool:
        outcomes = list(pool.map(run, pipeline.tables))
    done = [outcome for outcome in outcomes if outcome.error is None and (outcome.applied or outcome.aside)]
    try:
        _census(spark, run_id, done)
        works = [each.work for each in done if each.work and each.quarantined]
        problems = [history.problems_sql(w.rows, w.spec, w.columns, w.names, w.span) for w in works]
        control.quarantine(spark, pipeline, run_id, problems)
        step("", "quarantined")
        control.ledger(spark, pipeline, run_id, [(each.table, each.applied, each.aside) for each in done])
        step("", "ledger")
        for outcome in done:
            _move(
                files, next(table for table in pipeline.tables if table.name == outcome.table), outcome, step
            )
    except Exception as error:
        for outcome in done:
            outcome.error = (
                outcome.error or f"applied, but not recorded; the next run does it again: {brief(error)}"
            )
    control.runs(spark, pipeline, run_id, outcomes)
    for table in pipeline.tables:
        spark.catalog.dropTempView(_view(run_id, table.name))
    step("", "recorded")
    summary = Summary(run_id, time.time() - started, outcomes)
    if summary.failed:
        raise ApplyFailed(summary)
    return summary


def _census(spark: SparkSession, run_id: str, done: list[Outcome]) -> None:
    """Counts new events and conflicts of all tables in one query."""
    works = {each.table: each.work for each in done if each.work is not None and each.work.span is not None}
    parts = [
        history.census_sql(work.spec, work.columns, work.names, run_id, work.span)
        for work in works.values()
        if work.span is not None
    ]
    found = {row["table"]: row for row in (spark.sql(" UNION ALL ".join(parts)).collect() if parts else [])}
    for outcome in done:
        if outcome.table in found:
            outcome.new_events = found[outcome.table]["new_events"]
            outcome.quarantined += found[outcome.table]["conflicts"]


def _view(run_id: str, table: str) -> str:
    return f"headwater_{run_id}_{table.encode().hex()}"


def _move(files: Files, table: Table, outcome: Outcome, step: Step) -> None:
    moves = [(file, table.processed) for file in outcome.applied]
    moves += [(file, f"{table.processed}/_corrupt") for file in outcome.aside]
    try:
        outcome.left = move_all(files, table.incoming, moves, lambda file: step(table.name, "moved"))
    except Exception as error:
        outcome.error = (
            f"applied, but not all files could be moved; the next run does it again: {brief(error)}"
        )


@dataclass
class _Apply:
    """One table's part of a run, in a thread of its own."""

    spark: SparkSession
    files: Files
    pipeline: Pipeline
    spec: Spec
    run_id: str
    there: set[str]
    step: Step

    def run(self) -> Outcome:
        outcome = Outcome(self.spec.table.name, time.time())
        try:
            found = new_files(self.files, self.spec.table.incoming)
            self.step(outcome.table, "listed")
            self._apply_readable(found, outcome)
        except Exception as error:  # this table's failure is recorded and raised at the end; the others go on
            outcome.error = brief(error, 2000)
        outcome.seconds = time.time() - outcome.started
        return outcome

    def _apply_readable(self, found: list[File], outcome: Outcome) -> None:
        """Applies all files; if that fails because some cannot be read, sets those aside and applies the rest."""
        try:
            self._apply(found, outcome)
        except HeadwaterError:
            raise
        except Exception:
            outcome.aside = unreadable(self.spark, found)
            if not outcome.aside:
                raise
            self._apply([file for file in found if file not in outcome.aside], outcome)

    def _apply(self, found: list[File], outcome: Outcome) -> None:
        outcome.applied = []
        if not found:
            return
        spark, spec = self.spark, self.spec
        sources = open_files(spark, found, self.pipeline.columns, spec)
        log, stored = tables.stored_columns(spark, spec, self.there)
        columns = reconcile(log, [(source.where, source.shape) for source in sources], spec)
        rows = _view(self.run_id, spec.table.name)
        rows_of(sources, columns, spec).createOrReplaceTempView(rows)
        self.step(outcome.table, "read")
        tables.ensure(spark, spec, self.there, columns, log, stored)
        self.step(outcome.table, "tables")
        survey = spark.sql(history.survey_sql(rows)).collect()[0]
        outcome.loads, outcome.inserts = survey["loads"], survey["inserts"]
        outcome.updates, outcome.deletes = survey["updates"], survey["deletes"]
        outcome.quarantined, outcome.newest = survey["rejected"], survey["newest"]
        outcome.applied = found
        span = None if survey["newest"] is None else (survey["oldest"], survey["newest"])
        outcome.work = Work(rows, spec, columns, [file.relative.rpartition("/")[2] for file in found], span)
        if span is None:
            return
        spark.sql(history.append_sql(rows, spec, columns, self.run_id, span if log else None))
        self.step(outcome.table, "log")
        if stored:
            merged = spark.sql(history.merge_sql(spec, columns, outcome.work.names)).collect()[0]
            outcome.versions_inserted = merged["num_inserted_rows"]
            outcome.versions_closed = merged["num_updated_rows"]
            outcome.versions_removed = merged["num_deleted_rows"]
        else:
            spark.sql(history.build_sql(spec, columns))
        self.step(outcome.table, "history")
