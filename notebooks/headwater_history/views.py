"""What people read: the history of a table and its current rows, as SQL over the log.

The history and the current rows are views, made with the log, in one of the forms that `names` lists. The plain form
does not see late events, so these become visible at once when the run that brought them changes the views' form.
"""

from __future__ import annotations

from . import history
from .history import listed, parts
from .names import (
    CLOSED,
    END,
    LATE,
    LOAD,
    OP,
    SEQ,
    START,
    TAIL,
    TIME,
    WHOLE,
    WITH_LATE,
    Spec,
    q,
    text,
)

Columns = list[str]


def _versions_sql(spec: Spec, columns: Columns, form: str) -> str:
    """Every version: the table's columns, START and END."""
    if form == WHOLE:
        return history.versions_sql(history.all_rows_sql(spec, columns), spec, columns)
    names, late = [*columns, START, END], form == WITH_LATE
    ended = f"SELECT {listed(names)} FROM {spec.log} c"
    if late:
        ended += f" LEFT ANTI JOIN {history.keys_in(spec, LATE)} k ON {history.matched(spec.keys, 'c', 'k')}"
    touched = history.versions_sql(history.touching_rows_sql(spec, columns, late), spec, columns)
    return f"""
      {ended} WHERE c.{parts(CLOSED)}
      UNION ALL {history.untouched_sql(spec, names, late)} AND b.{START} IS NOT NULL
      UNION ALL SELECT {listed(names)} FROM ({touched})"""


def history_sql(spec: Spec, columns: Columns, form: str) -> str:
    """Every version under the names that the pipeline's convention gives its start and end."""
    own = f"{START} AS {q(spec.start)}, {END} AS {q(spec.end)}"
    if spec.current:
        own = f"{END} IS NULL AS {q(spec.current)}, {own}"
    return f"SELECT {listed(columns)}, {own} FROM ({_versions_sql(spec, columns, form)})"


def current_sql(spec: Spec, columns: Columns, form: str) -> str:
    """The rows there are now. What a key's last event says is its row, so that nothing has to be derived: a current
    version may have begun before, but its values are these."""
    if form == WITH_LATE:
        return f"SELECT {listed(columns)} FROM ({_versions_sql(spec, columns, form)}) WHERE {END} IS NULL"
    if form == WHOLE:
        return _last_sql(spec, columns, spec.log)
    # All of `tail` is newer than all that is folded.
    tail = f"(SELECT * FROM {spec.log} WHERE {parts(TAIL)})"
    return f"""
      {history.untouched_sql(spec, columns, late=False)} AND b.{START} IS NOT NULL AND b.{END} IS NULL
      UNION ALL {_last_sql(spec, columns, tail)}"""


def _last_sql(spec: Spec, columns: Columns, rows: str) -> str:
    """What the last fact of each key says, of those that these rows of the log stand for; nothing where it is an end."""
    values = ", ".join(q(name) for name in columns if name not in spec.keys)
    order = f"coalesce({END}, {TIME}) DESC, {END} IS NOT NULL, {LOAD}, {SEQ} DESC,"
    order += f" CASE {OP} WHEN 'I' THEN 2 WHEN 'U' THEN 1 ELSE 0 END"
    if values:
        order += f", struct({values}) DESC"
    return f"""
      SELECT {listed(columns)} FROM (
        SELECT *, row_number() OVER (PARTITION BY {listed(spec.keys)} ORDER BY {order}) AS __nth FROM {rows}
      ) WHERE __nth = 1 AND {OP} <> 'D' AND {END} IS NULL"""


def create_sql(spec: Spec, columns: Columns, form: str) -> list[str]:
    """The statements that make or change the two views. SCD type 1 shows current rows under both names."""
    current = current_sql(spec, columns, form)
    told = f"Current rows of {spec.table.source}"
    first = (told, current)
    if spec.table.rule.scd_type == 2:
        first = (f"History of {spec.table.source}", history_sql(spec, columns, form))
    return [
        f"CREATE OR REPLACE VIEW {name} COMMENT {text(comment)} AS {query}"
        for name, (comment, query) in ((spec.history, first), (spec.name("_current"), (told, current)))
    ]
