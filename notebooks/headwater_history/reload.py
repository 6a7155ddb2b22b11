"""A table loaded again: a marker file tells that the load is complete, and keys that it did not bring have gone.

`headwater reload` writes the marker beside the load's files when DMS says that the table is complete. The load counts
from its own commit time on, which all of its rows carry. A key that the log knows from before and that the load did
not bring gets a delete at that moment, an event like any other: also when the log hears of the key only later.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from pyspark.sql import SparkSession
from pyspark.sql.types import DataType

from .config import Fields
from .errors import HeadwaterError
from .history import listed, matched
from .moments import micros, parse_moment
from .names import END, FILE, LATE, LOAD, OP, PART, RUN, SEQ, START, TAIL, TIME, Spec, q, text

MARKER = "_headwater_reload.json"


@dataclass(frozen=True)
class Reload:
    """The load began later than `after` and not later than `until`, in microseconds since 1970. `rows`: how many DMS
    loaded."""

    after: int
    until: int
    rows: int


def parse_marker(content: str, where: str, spec: Spec) -> Reload:
    """Reads a marker's text. Raises HeadwaterError where it is none for this table."""
    try:
        fields = Fields(json.loads(content), where, "")
    except json.JSONDecodeError as error:
        raise HeadwaterError("reload/marker", f"is not JSON: {error}", where=where) from error
    fields.take("version", int, 1)
    fields.take("table", str, spec.table.source)
    fields.take("markedAt", str)
    after, until = (
        micros(parse_moment(fields.take(name, str), f"{where}: {name}")) for name in ("after", "until")
    )
    return fields.done(Reload(after, until, fields.take("rows", int)))


def moment_of(spark: SparkSession, spec: Spec, reload: Reload) -> tuple[int | None, int]:
    """When the load counts from, in microseconds since 1970, and how many keys of it the log holds; None: no such load.
    An empty table's load writes no rows, so it counts from the moment that it is known to be later than."""
    found = spark.sql(
        f"SELECT unix_micros({TIME}) AS at, count(DISTINCT {listed(spec.keys)}) AS rows FROM {spec.log}"
        f" WHERE {LOAD} AND {OP} <> 'D' AND {TIME} > timestamp_micros({reload.after})"
        f" AND {TIME} <= timestamp_micros({reload.until})"
        f" GROUP BY {TIME} ORDER BY {TIME} DESC LIMIT 1"
    ).collect()
    if found:
        return found[0]["at"], found[0]["rows"]
    return (reload.after if reload.rows == 0 else None), 0


def closing_sql(
    spec: Spec, columns: dict[str, DataType], moment: int, run: str, file: str, apart: str, only_run: bool
) -> str:
    """The deletes of a reload in the log's shape: of keys that were known before the moment, and that it did not bring.
    `only_run`: of the keys that this run's events speak of. `apart`: the condition that an event belongs in `late`."""
    at = f"timestamp_micros({moment})"
    which = f"{RUN} = {text(run)} AND" if only_run else ""
    values = [
        f"k.{q(name)}" if name in spec.keys else f"CAST(NULL AS {kind.simpleString()}) AS {q(name)}"
        for name, kind in columns.items()
    ]
    own = {
        RUN: text(run), OP: "'D'", TIME: at, SEQ: "''", LOAD: "true", START: "CAST(NULL AS TIMESTAMP)",
        END: "CAST(NULL AS TIMESTAMP)", FILE: text(file), PART: f"if({apart}, {text(LATE)}, {text(TAIL)})",
    }  # fmt: skip
    return f"""
      SELECT {", ".join(f"{value} AS {name}" for name, value in own.items())}, {", ".join(values)}
      FROM (SELECT DISTINCT {listed(spec.keys)} FROM {spec.log} WHERE {which} coalesce({START}, {TIME}) < {at}) k
      LEFT ANTI JOIN (SELECT {listed(spec.keys)} FROM {spec.log} WHERE {LOAD} AND {OP} <> 'D' AND {TIME} = {at}) l
      ON {matched(spec.keys, "k", "l")}"""
