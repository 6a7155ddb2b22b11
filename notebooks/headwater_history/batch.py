"""One table's part of a run: its new files into its log, and a reload's marker."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType

from . import control, fold, folding, history, tables
from .config import Pipeline
from .errors import HeadwaterError, brief
from .files import File, Files, new_files
from .fold import Log
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
    text,
)
from .outcome import Outcome, Step, Work
from .reader import PROBLEM, open_files, rows_of, unreadable
from .reload import MARKER, closing_sql, moment_of, parse_marker
from .schema import reconcile


def rows_view(run_id: str, table: str) -> str:
    """The view of the rows of a table's new files, while a run works on them."""
    return f"headwater_{run_id}_{table.encode().hex()}"


@dataclass
class Batch:
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
            listed = self.files.list(self.spec.table.incoming)
            self.step(outcome.table, "listed")
            self._apply_readable(new_files(listed), outcome)
            for marker in listed:
                if marker.relative == MARKER:
                    self._close_by_reload(marker, outcome)
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
        if not found and log.rule == str(spec.table.rule):
            return
        stored = tables.stored_columns(spark, spec) if self._is_there("__log") else {}
        if not found:
            reconcile(stored, [], spec)
            folding.set_right_form(spark, self.pipeline, self.run_id, spec, stored, outcome)
            return
        columns = reconcile(stored, [(source.where, source.shape) for source in sources], spec)
        rows = rows_view(self.run_id, spec.table.name)
        oldest = log.folded_until - self.pipeline.lateness_seconds * 1_000_000
        rows_of(sources, columns, spec, oldest).createOrReplaceTempView(rows)
        self.step(outcome.table, "read")
        form = log.form if self._is_there("") and self._is_there("_current") else ""
        if stored != columns:
            if stored:
                folding.forget_form(spark, self.pipeline, self.run_id, outcome)
            form = form or WHOLE
            tables.ensure(spark, spec, stored, columns, form)
        self.step(outcome.table, "tables")
        outcome.work = Work(rows, spec, columns)
        told = self._append(spark.sql(history.events_sql(rows, spec, columns)), list(columns), log)
        self.step(outcome.table, "log")
        outcome.applied, outcome.newest = found, told["newest"]
        for name in ("loads", "inserts", "updates", "deletes", "late", "quarantined"):
            setattr(outcome, name, told[name])
        brought = outcome.loads + outcome.inserts + outcome.updates + outcome.deletes
        apart = told["apart"]
        outcome.log = replace(log, form=form).with_batch(brought - apart, apart, time.time())
        if told["oldest"] is not None and told["oldest"] < max(log.reloads, default=0):
            for moment in log.reloads:  # the events may be of keys that these loads would have brought
                self._close(moment, "", columns, outcome, only_run=True)
        folding.set_right_form(spark, self.pipeline, self.run_id, spec, columns, outcome)
        self.step(outcome.table, "views")

    def _close_by_reload(self, marker: File, outcome: Outcome) -> None:
        """Closes what a reload did not bring, if the log holds all that it did bring; else the marker waits for the rest."""
        if not self.files.exists(marker.path):
            return  # taken away by the next reload
        try:
            reload = parse_marker(self.files.read(marker.path), marker.path, self.spec)
        except HeadwaterError as error:
            outcome.aside[marker] = brief(error)
            return
        known = self._is_there("__log") or outcome.work is not None
        moment, rows = moment_of(self.spark, self.spec, reload) if known else (None, 0)
        if moment is None or rows != reload.rows:
            outcome.reload = f"not complete: {rows} of {reload.rows} rows are here; nothing was closed"
            return
        assert outcome.log is not None
        outcome.reloaded = moment
        outcome.log = replace(outcome.log, reloads=(*outcome.log.reloads, moment))
        # Before anything is closed, so that no later run takes the reload for one that never was, wherever this one dies.
        control.runs(self.spark, self.pipeline, self.run_id, [outcome], underway=[outcome])
        columns = tables.stored_columns(self.spark, self.spec)
        closed = self._close(moment, marker.relative, columns, outcome, only_run=False)
        folding.set_right_form(self.spark, self.pipeline, self.run_id, self.spec, columns, outcome)
        outcome.reload = f"complete: {rows} rows; {closed} keys known from before are not among them"
        outcome.applied = [*outcome.applied, marker]
        self.step(outcome.table, "reloaded")

    def _close(
        self, moment: int, file: str, columns: dict[str, DataType], outcome: Outcome, only_run: bool
    ) -> int:
        log, seen = outcome.log, Observation()
        assert log is not None
        closing = closing_sql(self.spec, columns, moment, self.run_id, file, self._apart(log), only_run)
        counted = self.spark.sql(closing).observe(
            seen, F.count_if(F.col(PART) == LATE).alias("late"), F.count("*").alias("all")
        )
        counted.writeTo(self.spec.log).append()
        late, every = seen.get["late"], seen.get["all"]
        outcome.log = log.with_batch(every - late, late, time.time())
        return int(every)

    def _apart(self, log: Log) -> str:
        """The condition that an event concerns versions which have ended, so that its key is derived from all there is:
        what happened before was folded already, or it is a delete that removes them."""
        rule = self.spec.table.rule
        removing = f" OR {OP} = 'D'" if rule.removes and rule.scd_type == 2 else ""
        return f"({TIME} <= timestamp_micros({log.folded_until}){removing})"

    def _is_there(self, suffix: str) -> bool:
        return f"{self.spec.table.name}{suffix}".lower() in self.there

    def _known(self) -> Log:
        """What is known of the log. A run that died before it recorded what it made is made up for here."""
        log, rule = self.logs.result().get(self.spec.table.name), str(self.spec.table.rule)
        if not self._is_there("__log"):
            return Log(rule=rule)
        if log is None:
            return Log(folded_until=fold.newest(self.spark, self.spec, BASE, RECENT, CLOSED, PAST) or 0)
        return log if log.rule == rule else replace(log, form="")  # by another rule the views are others, too

    def _append(self, events: DataFrame, columns: list[str], log: Log) -> dict[str, Any]:
        """Appends events; returns what the files hold, which is counted on the way."""
        seen, apart = Observation(), self._apart(log)
        counted = events.observe(seen, *_counts(log, apart)).where(f"{PROBLEM} IS NULL")
        placed = {PART: f"if({apart}, {text(LATE)}, {text(TAIL)})", RUN: text(self.run_id)}
        own = [q(name) for name in (OP, TIME, SEQ, LOAD, START, END, FILE, *columns)]
        fresh = counted.selectExpr(*(f"{value} AS {name}" for name, value in placed.items()), *own)
        fresh.writeTo(self.spec.log).append()
        return dict(seen.get)


def _counts(log: Log, apart: str) -> list[Column]:
    """What a run's files hold: events by kind, those that came late or stand apart, rows that are no events, and the
    newest and oldest commit time."""
    kinds = {"loads": LOAD} | {
        name: f"NOT {LOAD} AND {history.TOLD} = '{op}'"
        for name, op in (("inserts", "I"), ("updates", "U"), ("deletes", "D"))
    }
    kinds |= {"late": f"{TIME} <= timestamp_micros({log.folded_until})", "apart": apart}
    counted = {name: f"{PROBLEM} IS NULL AND {condition}" for name, condition in kinds.items()}
    counted |= {"quarantined": f"{PROBLEM} IS NOT NULL"}
    ends = [F.expr(f"{end}(if({PROBLEM} IS NULL, unix_micros({TIME}), NULL))") for end in ("max", "min")]
    return [
        *(F.expr(f"count_if({condition})").alias(name) for name, condition in counted.items()),
        ends[0].alias("newest"),
        ends[1].alias("oldest"),
    ]
