"""What a table held at a moment, as SQL over its log.

The history's view tells it always. Where every change opens a version and no late event waits, it is told for less:
what is folded holds as it stands, and of the events behind it only the last one before the moment counts. One thing
still reaches back, by rule 3 of `history`: the first event behind a load row may change what that row says."""

from __future__ import annotations

from datetime import datetime

from . import history
from .history import AHEAD, listed, matched, parts
from .moments import micros
from .names import BASE, CLOSED, END, LOAD, OP, RECENT, SEQ, START, TAIL, TIME, Spec, q

Columns = list[str]


def view_sql(spec: Spec, columns: Columns, moment: datetime) -> str:
    """The versions whose half-open interval, start <= moment < end, holds the moment."""
    at, start, end = _moment(moment), q(spec.start), q(spec.end)
    return f"SELECT {listed(columns)} FROM {spec.history} WHERE {start} <= {at} AND ({end} IS NULL OR {at} < {end})"


def log_sql(spec: Spec, columns: Columns, moment: datetime) -> str:
    """The same without deriving versions. Right for a log without late events that was folded by the rule under which
    every change of a column opens a version and a delete closes one."""
    at, keys = _moment(moment), listed(spec.keys)
    values = [name for name in columns if name not in spec.keys]
    window = f"WINDOW w AS (PARTITION BY {keys} ORDER BY {history.ORDER_OF_EVENTS})"
    behind = f"""
      SELECT {keys}, at, load, op, v, lead({AHEAD}) OVER w AS next, {AHEAD} AS ahead, row_number() OVER w = 1 AS first,
        at <= {at} AND coalesce({at} < lead(at) OVER w, true) AS last
      FROM (
        SELECT {keys}, {TIME} AS at, {LOAD} AS load, {SEQ} AS seq, {OP} AS op, {history.values_sql(spec, columns)} AS v
        FROM {spec.log} WHERE {parts(TAIL)}
      ) {window}"""
    # A load row that nothing folded follows.
    open_load = f"{LOAD} AND {TIME} <= {at} AND {END} IS NULL"
    lent = f"{open_load} AND {history.lends_sql(spec, columns, '__ahead')}"
    told = [
        f"if({lent}, __ahead.v.{q(name)}, {q(name)}) AS {q(name)}" if name in values else q(name)
        for name in columns
    ]
    return f"""
      SELECT {", ".join(told)} FROM (
        SELECT {listed([TIME, LOAD, END, *columns], "b.")}, f.ahead AS __ahead, f.at AS __at FROM {spec.log} b
        LEFT ANTI JOIN {history.keys_in(spec, RECENT)} r ON {matched(spec.keys, "b", "r")} AND b.{parts(BASE)}
        LEFT JOIN (SELECT * FROM ({behind}) WHERE first) f ON {matched(spec.keys, "b", "f")}
        WHERE b.{parts(BASE, RECENT, CLOSED)} AND b.{START} <= {at} AND (b.{END} IS NULL OR {at} < b.{END})
      ) WHERE coalesce({at} < __at, true) AND NOT coalesce({open_load} AND __ahead.op = 'I', false)
      UNION ALL
      SELECT {", ".join(history.taken(spec, columns, "state"))} FROM (
        SELECT {keys}, {history.state_sql(spec, columns)} AS state FROM ({behind}) WHERE last
      ) WHERE state IS NOT NULL"""


def _moment(moment: datetime) -> str:
    return f"timestamp_micros({micros(moment)})"
