"""One run: every table's new files into its log, then the records and the files, then what folding is due.

The order is what makes a run safe to kill at any point and start again: (1) log, (2) views, (3) quarantine,
(4) record of the run with its files, (5) files moved, (6) folds, recorded again. A file stays in the incoming volume until all it holds
is in the log, and an event that is in the log twice is one event, so the next run completes whatever this one left.
"""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from pyspark.sql import SparkSession

from . import control, folding, history, tables
from .batch import Batch, rows_view
from .config import Pipeline, Table
from .errors import brief
from .files import Files, move_all
from .fold import Log
from .names import spec_of
from .outcome import ApplyFailed, Outcome, Step, Summary


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
        return Batch(spark, files, pipeline, spec_of(pipeline, table), run_id, there, logs, step).run()

    with ThreadPoolExecutor(1) as beside, ThreadPoolExecutor(tables.PARALLEL) as pool:
        logs = beside.submit(known)  # while the first files are listed and opened
        outcomes = list(pool.map(run, pipeline.tables))
    logs.result()
    done = [outcome for outcome in outcomes if outcome.error is None and (outcome.applied or outcome.aside)]
    try:
        due = _record(spark, pipeline, run_id, outcomes, done, ask, step)
        by_name = {table.name: table for table in pipeline.tables}
        for outcome in done:
            _move(files, by_name[outcome.table], outcome, step)
        folding.fold_all(spark, pipeline, run_id, due, step)
        again = [outcome for outcome in outcomes if outcome in due]
        # Their events were counted in the first record.
        again += [
            Outcome(o.table, o.started, o.seconds, o.error, log=o.log)
            for o in done
            if o.error and o not in due
        ]
        control.runs(spark, pipeline, run_id, again)
    except Exception as error:
        for outcome in done or outcomes:
            told = f"applied, but not recorded; the next run does it again: {brief(error)}"
            outcome.error = outcome.error or told
    finally:
        for table in pipeline.tables:
            spark.catalog.dropTempView(rows_view(run_id, table.name))
    step("", "ended")
    summary = Summary(run_id, time.time() - started, outcomes)
    if summary.failed:
        raise ApplyFailed(summary)
    return summary


def _record(
    spark: SparkSession, pipeline: Pipeline, run_id: str, outcomes: list[Outcome], done: list[Outcome], ask: str, step: Step
) -> list[Outcome]:  # fmt: skip
    """Records what could not be applied, then the run and its files. Returns the tables whose logs are to be folded: those
    get a second record, as how it ends is not known yet."""
    works = {each.table: each.work for each in done if each.work}
    problems = [
        history.rejected_sql(works[o.table].rows, works[o.table].spec, works[o.table].columns)
        for o in done
        if o.quarantined
    ]
    control.quarantine(spark, pipeline, run_id, problems)
    step("", "quarantined")
    due = folding.choose(spark, pipeline, outcomes, ask)
    control.runs(spark, pipeline, run_id, outcomes, underway=due, ledger=True)
    step("", "recorded")
    return due


def _move(files: Files, table: Table, outcome: Outcome, step: Step) -> None:
    moves = [(file, table.processed) for file in outcome.applied]
    moves += [(file, f"{table.processed}/_corrupt") for file in outcome.aside]
    try:
        outcome.left = move_all(files, table.incoming, moves, lambda file: step(table.name, "moved"))
    except Exception as error:
        outcome.error = (
            f"applied, but not all files could be moved; the next run does it again: {brief(error)}"
        )
