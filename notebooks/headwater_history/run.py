"""One run: every table's new files into its log, then the records and the files, then what folding is due.

The order is what makes a run safe to kill at any point and start again: (1) log, (2) views, (3) quarantine,
(4) ledger, (5) files moved, (6) folds, (7) record of the run. A file stays in the incoming volume until all it holds
is in the log, and an event that is in the log twice is one event, so the next run completes whatever this one left.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from . import control, fold, history, tables
from .config import Pipeline, Table
from .errors import HeadwaterError, brief
from .files import File, Files, move_all, new_files
from .fold import Decision, Log
from .names import (
    BASE,
    CLOSED,
    END,
    FILE,
    LATE,
    LOAD,
    OP,
    PART,
    PAST,
    RECENT,
    RUN,
    SEQ,
    START,
    TAIL,
    TIME,
    WHOLE,
    Spec,
    q,
    spec_of,
    text,
)
from .reader import PROBLEM, open_files, rows_of, unreadable
from .schema import reconcile

Step = Callable[[str, str], None]


@dataclass(frozen=True)
class Work:
    """What the log and the queries about a table's new files need: the view of their rows, and the columns."""

    rows: str
    spec: Spec
    columns: dict[str, DataType]


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
    late: int = 0
    quarantined: int = 0
    newest: int | None = None
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


def apply(
    spark: SparkSession, files: Files, pipeline: Pipeline, *, ask: str = "auto",
    step: Step = lambda table, name: None,
) -> Summary:  # fmt: skip
    """Applies all new files of the pipeline's tables, and folds the logs that are due; with `ask="now"`, all that hold
    something to fold. `step(table, name)` is called after each step (tests stop there).

    Raises ApplyFailed at the end when a table failed; the others are complete by then."""
    started, run_id = time.time(), uuid.uuid4().hex
    there = tables.existing(spark, pipeline.catalog, pipeline.schema)

    def known() -> dict[str, Log]:
        tables.ensure_control(spark, pipeline.catalog, pipeline.schema, there)
        return control.logs(spark, pipeline) if "headwater_runs" in there else {}

    def run(table: Table) -> Outcome:
        return _Apply(spark, files, pipeline, spec_of(pipeline, table), run_id, there, logs, step).run()

    with ThreadPoolExecutor(1) as beside, ThreadPoolExecutor(tables.PARALLEL) as pool:
        logs = beside.submit(known)  # while the first files are listed and opened
        outcomes = list(pool.map(run, pipeline.tables))
    logs.result()
    done = [outcome for outcome in outcomes if outcome.error is None and (outcome.applied or outcome.aside)]
    try:
        works = {each.table: each.work for each in done if each.work}
        problems = [
            history.rejected_sql(works[o.table].rows, works[o.table].spec, works[o.table].columns)
            for o in done
            if o.quarantined
        ]
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
    _fold(spark, pipeline, run_id, outcomes, ask, step)
    control.runs(spark, pipeline, run_id, outcomes)
    for table in pipeline.tables:
        spark.catalog.dropTempView(_view(run_id, table.name))
    step("", "recorded")
    summary = Summary(run_id, time.time() - started, outcomes)
    if summary.failed:
        raise ApplyFailed(summary)
    return summary


def _fold(
    spark: SparkSession, pipeline: Pipeline, run_id: str, outcomes: list[Outcome], ask: str, step: Step
) -> None:
    """Folds the logs that are due. Their events can be read already, so what fails here is done by the next run."""
    due: list[Outcome] = []
    for outcome in outcomes:
        decision = (
            fold.decide(outcome.log, time.time(), ask) if outcome.log and outcome.error is None else None
        )
        if decision is not None:
            outcome.folded = decision
            due.append(outcome)
    if not due:
        return
    specs = {table.name: spec_of(pipeline, table) for table in pipeline.tables}
    # Not the run's own: what a fold writes takes the place of rows with its label, and this run's late events stay.
    label = f"{run_id}-fold"

    def prepare(outcome: Outcome) -> None:
        assert outcome.log is not None
        newest = fold.newest(spark, specs[outcome.table], TAIL, LATE)
        outcome.log = replace(outcome.log, folded_until=max(outcome.log.folded_until, newest or 0))

    def run(outcome: Outcome) -> None:
        assert outcome.log is not None and outcome.folded is not None
        spec = specs[outcome.table]
        try:
            columns = list(tables.stored_columns(spark, spec))
            outcome.log, tied = fold.fold(spark, spec, columns, label, outcome.folded.way, outcome.log)
            step(outcome.table, "folded")
            _set_right_form(spark, pipeline, run_id, spec, columns, outcome)
            if tied:
                outcome.quarantined += tied
                control.quarantine(spark, pipeline, run_id, [history.tied_sql(spec, columns, label)])
        except Exception as error:
            outcome.error = f"applied, but not folded; the next run tries it again: {brief(error)}"

    try:
        with ThreadPoolExecutor(max_workers=tables.PARALLEL) as pool:
            list(pool.map(prepare, due))
            control.runs(spark, pipeline, run_id, due, underway=True)
            list(pool.map(run, due))
    except Exception as error:
        for outcome in due:
            outcome.error = (
                outcome.error or f"applied, but not folded; the next run tries it again: {brief(error)}"
            )


def _set_right_form(
    spark: SparkSession, pipeline: Pipeline, run_id: str, spec: Spec, columns: Iterable[str], outcome: Outcome
) -> None:
    """Gives the views the form that reads the log right, if they may have another."""
    log = outcome.log
    if log is not None and log.form != log.right_form:
        _forget_form(spark, pipeline, run_id, outcome)
        tables.make_views(spark, spec, columns, log.right_form)
        outcome.log = replace(log, form=log.right_form)


def _forget_form(spark: SparkSession, pipeline: Pipeline, run_id: str, outcome: Outcome) -> None:
    """Before views or what they read are changed: if that dies or fails, the next run makes the views anew."""
    assert outcome.log is not None
    outcome.log = replace(outcome.log, form="")
    control.runs(spark, pipeline, run_id, [outcome], underway=True)


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
    logs: Future[dict[str, Log]]
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
            # What the first attempt has made is not made again.
            self.there = tables.existing(self.spark, self.pipeline.catalog, self.pipeline.schema)
            self._apply([file for file in found if file not in outcome.aside], outcome)

    def _apply(self, found: list[File], outcome: Outcome) -> None:
        spark, spec = self.spark, self.spec
        outcome.applied = []
        sources = open_files(spark, found, self.pipeline.columns, spec) if found else []
        log = outcome.log = self._known()
        if not found:
            return
        stored = tables.stored_columns(spark, spec) if self._is_there("__log") else {}
        columns = reconcile(stored, [(source.where, source.shape) for source in sources], spec)
        rows = _view(self.run_id, spec.table.name)
        oldest = log.folded_until - self.pipeline.lateness_seconds * 1_000_000
        rows_of(sources, columns, spec, oldest).createOrReplaceTempView(rows)
        self.step(outcome.table, "read")
        form = log.form if self._is_there("") and self._is_there("_current") else ""
        if stored != columns:
            if stored:
                _forget_form(spark, self.pipeline, self.run_id, outcome)
            form = form or WHOLE
            tables.ensure(spark, spec, stored, columns, form)
        self.step(outcome.table, "tables")
        outcome.work = Work(rows, spec, columns)
        told = self._append(spark.sql(history.events_sql(rows, spec, columns)), list(columns), log)
        self.step(outcome.table, "log")
        outcome.applied, outcome.newest = found, told["newest"]
        (
            outcome.loads,
            outcome.inserts,
            outcome.updates,
            outcome.deletes,
            outcome.late,
            outcome.quarantined,
        ) = (told[name] for name in ("loads", "inserts", "updates", "deletes", "late", "rejected"))
        brought = outcome.loads + outcome.inserts + outcome.updates + outcome.deletes
        outcome.log = replace(log, form=form).with_batch(brought - outcome.late, outcome.late, time.time())
        _set_right_form(spark, self.pipeline, self.run_id, spec, columns, outcome)
        self.step(outcome.table, "views")

    def _is_there(self, suffix: str) -> bool:
        return f"{self.spec.table.name}{suffix}".lower() in self.there

    def _known(self) -> Log:
        """What is known of the log. A run that died before it recorded what it made is made up for here."""
        log = self.logs.result().get(self.spec.table.name)
        if log is not None or not self._is_there("__log"):
            return log or Log()
        return Log("", fold.newest(self.spark, self.spec, BASE, RECENT, CLOSED, PAST) or 0)

    def _append(self, events: DataFrame, columns: list[str], log: Log) -> dict[str, Any]:
        """Appends events; returns what the files hold, which is counted on the way."""
        seen, late = Observation(), f"{TIME} <= timestamp_micros({log.folded_until})"
        counted = events.observe(seen, *_counts(late)).where(f"{PROBLEM} IS NULL")
        placed = {PART: f"if({late}, {text(LATE)}, {text(TAIL)})", RUN: text(self.run_id)}
        own = [q(name) for name in (OP, TIME, SEQ, LOAD, START, END, FILE, *columns)]
        fresh = counted.selectExpr(*(f"{value} AS {name}" for name, value in placed.items()), *own)
        fresh.writeTo(self.spec.log).append()
        return dict(seen.get)


def _counts(late: str) -> list[Column]:
    """What a run's files hold: events by kind, late ones, rows that are no events, the newest commit time."""
    kinds = {"loads": LOAD} | {
        name: f"NOT {LOAD} AND {history.TOLD} = '{op}'"
        for name, op in (("inserts", "I"), ("updates", "U"), ("deletes", "D"))
    }
    counted = {name: f"{PROBLEM} IS NULL AND {condition}" for name, condition in kinds.items()}
    counted |= {"late": f"{PROBLEM} IS NULL AND {late}", "rejected": f"{PROBLEM} IS NOT NULL"}
    newest = F.expr(f"max(if({PROBLEM} IS NULL, unix_micros({TIME}), NULL))").alias("newest")
    return [*(F.expr(f"count_if({condition})").alias(name) for name, condition in counted.items()), newest]
