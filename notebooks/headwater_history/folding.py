"""The last part of a run: folding the logs that are due, and giving views the form that reads a log right."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from pyspark.sql import SparkSession

from . import control, fold, history, tables
from .config import Pipeline
from .errors import brief
from .names import LATE, TAIL, Spec, spec_of
from .outcome import Outcome, Step


def choose(spark: SparkSession, pipeline: Pipeline, outcomes: list[Outcome], ask: str) -> list[Outcome]:
    """The tables whose logs are due, with how and why; how far each will be folded is known then."""
    specs = _specs(pipeline)

    def decide(outcome: Outcome) -> None:
        if outcome.log is None or outcome.error is not None:
            return
        rule, lateness = specs[outcome.table].table.rule, pipeline.lateness_seconds
        outcome.folded = fold.decide(outcome.log, rule, lateness, time.time(), ask)
        if outcome.folded is not None:
            newest = fold.newest(spark, specs[outcome.table], TAIL, LATE)
            outcome.log = replace(outcome.log, folded_until=max(outcome.log.folded_until, newest or 0))

    with ThreadPoolExecutor(max_workers=tables.PARALLEL) as pool:
        list(pool.map(decide, outcomes))
    return [outcome for outcome in outcomes if outcome.folded is not None]


def fold_all(spark: SparkSession, pipeline: Pipeline, run_id: str, due: list[Outcome], step: Step) -> None:
    """Folds logs. Their events can be read already, so what fails here is done by the next run."""
    specs = _specs(pipeline)
    # Not the run's own: what a fold writes takes the place of rows with its label, and this run's late events stay.
    label = f"{run_id}-fold"

    def run(outcome: Outcome) -> None:
        assert outcome.log is not None and outcome.folded is not None
        spec, started = specs[outcome.table], time.time()
        try:
            columns = list(tables.stored_columns(spark, spec))
            way, lateness, rule = outcome.folded.way, pipeline.lateness_seconds, str(spec.table.rule)
            other = outcome.log.rule != rule
            if other:
                tables.note_rule(spark, spec, "")
            outcome.log, tied = fold.fold(spark, spec, columns, label, way, outcome.log, lateness)
            if other:
                tables.note_rule(spark, spec, rule)
            step(outcome.table, "folded")
            set_right_form(spark, pipeline, run_id, spec, columns, outcome)
            if tied:
                outcome.quarantined += tied
                control.quarantine(spark, pipeline, run_id, [history.tied_sql(spec, columns, label)])
        except Exception as error:
            outcome.error = f"applied, but not folded; the next run tries it again: {brief(error)}"
        outcome.seconds += time.time() - started

    with ThreadPoolExecutor(max_workers=tables.PARALLEL) as pool:
        list(pool.map(run, due))


def _specs(pipeline: Pipeline) -> dict[str, Spec]:
    return {table.name: spec_of(pipeline, table) for table in pipeline.tables}


def set_right_form(
    spark: SparkSession, pipeline: Pipeline, run_id: str, spec: Spec, columns: Iterable[str], outcome: Outcome
) -> None:
    """Gives the views the form that reads the log right, if they may have another."""
    log = outcome.log
    form = log.right_form(spec.table.rule) if log is not None else ""
    if log is not None and log.form != form:
        forget_form(spark, pipeline, run_id, outcome)
        tables.make_views(spark, spec, columns, form)
        outcome.log = replace(log, form=form)


def forget_form(spark: SparkSession, pipeline: Pipeline, run_id: str, outcome: Outcome) -> None:
    """Before views or what they read are changed: if that dies or fails, the next run makes the views anew."""
    assert outcome.log is not None
    outcome.log = replace(outcome.log, form="")
    control.runs(spark, pipeline, run_id, [outcome], underway=[outcome])
