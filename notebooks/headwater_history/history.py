"""What history is: SQL that derives a key's versions from its events, and brings the history table in line with them.

The history of a key is a function of its events in the log and of nothing else. Late events, replays, crashes and
batches cut anywhere are therefore one case: recompute the touched keys, change the rows that differ.

Rules, in the order they are applied to one key's events:
1. Events are ordered by commit time, then load rows before captured changes, then change sequence. Events that tie in
   all of these (never by a working source; recorded in the quarantine) are ordered I < U < D, then by value.
2. The last event of a commit time counts: what a transaction undoes itself was never visible outside it.
3. A load row is stamped with the task's start but was read later, so it may hold changes that are captured as well:
   a. followed by a captured insert, the row did not exist at the task's start, and the load row says just that;
   b. followed by a captured delete and then an insert, the delete's before image (where the source sends one) is what
      the row was at the task's start, and takes the load row's place.
   What cannot be known: if a row was updated between the task's start and its reading, no event holds the values it
   had before; the load row's values then stand from the task's start on. A row deleted in that time leaves none.
4. A change that changes nothing opens no version; a delete closes; a delete of a key that is not there does nothing
   (but stays in the log, where a late insert meets it); an insert after a delete opens a version after a gap.

Known limit: two rows that exchange keys inside one transaction (deferred constraints) hold one key twice for a moment,
which one key's events cannot tell from a row that came and went.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from .names import BATCH, FILE, LOAD, OP, SEQ, TIME, Spec, q, text
from .reader import BEFORE, PROBLEM, RAW_TIME

Span = tuple[int, int]  # first and last commit time, in microseconds since 1970
_ORDER = f"{TIME}, {LOAD} DESC, {SEQ}, CASE {OP} WHEN 'I' THEN 0 WHEN 'U' THEN 1 ELSE 2 END"


def _list(names: Iterable[str], prefix: str = "") -> str:
    return ", ".join(prefix + q(name) for name in names)


def _match(names: Iterable[str], left: str, right: str, operator: str = "=") -> str:
    return " AND ".join(f"{left}.{q(name)} {operator} {right}.{q(name)}" for name in names)


def _values(spec: Spec, columns: Iterable[str]) -> str:
    """A row's values but its key as one struct, so that `<=>` compares all of them, NULLs included, at once."""
    fields = "".join(f", {text(name)}, {q(name)}" for name in columns if name not in spec.keys)
    return f"named_struct('__alive', true{fields})"


def events_sql(rows: str, spec: Spec, columns: Iterable[str]) -> str:
    """The events of a run's rows, each once. An update that changed the key (its old values are known from the before
    image) is two events of one sequence: a delete of the old key, and an insert of the new one, which did not exist."""
    moved = f"({OP} = 'U' AND {' AND '.join(f'{q(BEFORE + key)} IS NOT NULL' for key in spec.keys)}"
    moved += f" AND NOT ({' AND '.join(f'{q(BEFORE + key)} <=> {q(key)}' for key in spec.keys)}))"
    left = "(moved AND part = 'D')"
    old = {key: q(BEFORE + key) for key in spec.keys}
    values = [f"if({left}, {old.get(name, 'NULL')}, {q(name)}) AS {q(name)}" for name in columns]
    return f"""
      SELECT part AS {OP}, {TIME}, {SEQ}, {LOAD}, min({FILE}) AS {FILE}, {_list(columns)}
      FROM (
        SELECT part, {TIME}, {SEQ}, {LOAD}, {FILE}, {", ".join(values)}
        FROM (SELECT *, {moved} AS moved FROM {rows} WHERE {PROBLEM} IS NULL)
        LATERAL VIEW explode(if(moved, array('D', 'I'), array({OP}))) AS part
      )
      GROUP BY part, {TIME}, {SEQ}, {LOAD}, {_list(columns)}"""


def append_sql(rows: str, spec: Spec, columns: Iterable[str], batch: str, span: Span | None) -> str:
    """Appends the events the log does not hold yet. `span` holds the commit times of the rows, so that Delta skips the
    log's other files; None: a log that this run has made. Events are compared whole and not by a digest, so that
    adding a column or widening one later does not make an old event look new."""
    columns = list(columns)
    names = [OP, TIME, SEQ, LOAD, FILE, *columns]
    known = ""
    if span is not None:
        exact = _match((TIME, SEQ, LOAD, OP, *spec.keys), "l", "e")
        whole = _match([name for name in columns if name not in spec.keys], "l", "e", "<=>") or "true"
        known = f"LEFT ANTI JOIN (SELECT * FROM {spec.log} WHERE {_within(span)}) l ON {exact} AND {whole}"
    return f"""
      INSERT INTO {spec.log} ({_list(names)}, {BATCH})
      SELECT {_list(names, "e.")}, {text(batch)} FROM ({events_sql(rows, spec, columns)}) e {known}"""


def _within(span: Span) -> str:
    return f"{TIME} BETWEEN timestamp_micros({span[0]}) AND timestamp_micros({span[1]})"


def _from(files: Iterable[str]) -> str:
    """Whether an event came first with one of these files. Spark may give a name as it stands or as a URL has it."""
    names = sorted({form for name in files for form in (name, quote(name))})
    return f"{FILE} IN ({', '.join(map(text, names))})"


def _touched(spec: Spec, files: Iterable[str]) -> str:
    """The log's events of the keys that these files speak of. A file that this run has read brought its events now or
    in a run that died; an event that an older file brought first was merged before that file was moved away."""
    return f"""(
      SELECT l.* FROM {spec.log} l
      LEFT SEMI JOIN (SELECT {_list(spec.keys)} FROM {spec.log} WHERE {_from(files)}) k
      ON {_match(spec.keys, "l", "k")})"""


def states_sql(events: str, spec: Spec, columns: Iterable[str]) -> str:
    """What each key became at each of its commit times: keys, `start`, `state` (a struct of the other columns, NULL
    when there is no row), `opens` (a version begins here) and `end` (of that version; NULL for the current one)."""
    columns = list(columns)
    keys = _list(spec.keys)
    image = (
        " OR ".join(f"next.v.{q(name)} IS NOT NULL" for name in columns if name not in spec.keys) or "false"
    )
    return f"""
      SELECT {keys}, start, state, changed AND state IS NOT NULL AS opens,
        lead(if(changed, start, NULL)) IGNORE NULLS OVER (PARTITION BY {keys} ORDER BY start) AS end
      FROM (
        SELECT {keys}, start, state, NOT (state <=> lag(state) OVER (PARTITION BY {keys} ORDER BY start)) AS changed
        FROM (
          SELECT {keys}, {TIME} AS start,
            CASE WHEN {OP} = 'D' OR ({LOAD} AND next.op = 'I') THEN NULL
              WHEN {LOAD} AND next.op = 'D' AND op_after = 'I' AND ({image}) THEN next.v
              ELSE v END AS state
          FROM (
            SELECT *, lead({OP}, 2) OVER w AS op_after,
              lead(named_struct('at', {TIME}, 'op', if({LOAD}, 'load', {OP}), 'v', v)) OVER w AS next
            FROM (SELECT {_list((*spec.keys, OP, TIME, SEQ, LOAD))}, {_values(spec, columns)} AS v FROM {events})
            WINDOW w AS (PARTITION BY {keys} ORDER BY {_ORDER}, v)
          )
          WHERE NOT (next.at <=> {TIME})
        )
      )"""


def _assignments(spec: Spec, columns: Iterable[str]) -> dict[str, str]:
    """The history's columns from a row of `states_sql` called s."""
    taken = {name: f"s.{q(name)}" if name in spec.keys else f"s.state.{q(name)}" for name in columns}
    taken |= {spec.start: "s.start", spec.end: "s.end"}
    return taken | ({spec.current: "s.end IS NULL"} if spec.current else {})


def merge_sql(spec: Spec, columns: Iterable[str], files: Iterable[str]) -> str:
    """One MERGE, so one atomic commit, that makes the history of the touched keys what their events say. A version
    that no longer begins at one of its key's commit times (a late event came before it) is deleted; rows that are
    right already are left alone, so a replay changes nothing."""
    columns = list(columns)
    taken = _assignments(spec, columns)
    assign = ", ".join(f"t.{q(name)} = {value}" for name, value in taken.items())
    rest = [name for name in columns if name not in spec.keys]
    same = " AND ".join(f"t.{q(name)} <=> {taken[name]}" for name in (*rest, spec.end))
    return f"""
      MERGE INTO {spec.history} t USING ({states_sql(_touched(spec, files), spec, columns)}) s
      ON {_match(spec.keys, "t", "s")} AND t.{q(spec.start)} = s.start
      WHEN MATCHED AND NOT s.opens THEN DELETE
      WHEN MATCHED AND NOT ({same}) THEN UPDATE SET {assign}
      WHEN NOT MATCHED AND s.opens THEN INSERT ({_list(taken)}) VALUES ({", ".join(taken.values())})"""


def build_sql(spec: Spec, columns: Iterable[str]) -> str:
    """What `merge_sql` does, for a history that this run has made."""
    columns = list(columns)
    taken = _assignments(spec, columns)
    return f"""
      INSERT INTO {spec.history} ({_list(taken)}) SELECT {", ".join(taken.values())}
      FROM ({states_sql(spec.log, spec, columns)}) s WHERE s.opens"""


def survey_sql(rows: str) -> str:
    """One row that says what a run's files hold: events by kind, rows that are none, first and last commit time."""
    event = f"{PROBLEM} IS NULL"
    change = f"{event} AND NOT {LOAD}"
    return f"""
      SELECT count_if({event} AND {LOAD}) AS loads, count_if({change} AND {OP} = 'I') AS inserts,
        count_if({change} AND {OP} = 'U') AS updates, count_if({change} AND {OP} = 'D') AS deletes,
        count_if({PROBLEM} IS NOT NULL) AS rejected,
        min(if({event}, unix_micros({TIME}), NULL)) AS oldest, max(if({event}, unix_micros({TIME}), NULL)) AS newest
      FROM {rows}"""


def census_sql(spec: Spec, columns: Iterable[str], files: Iterable[str], batch: str, span: Span) -> str:
    """One row for a table whose log is written: `table`, the run's `new_events`, and `conflicts`: places in the order
    of a key's events that hold different events, one of them from these files. Which came first is not known."""
    return f"""
      SELECT {text(spec.table.name)} AS `table`, coalesce(sum(fresh), 0) AS new_events, count_if(tied) AS conflicts
      FROM ({_places(spec, columns, files, batch, span)})"""


def _places(spec: Spec, columns: Iterable[str], files: Iterable[str], batch: str, span: Span) -> str:
    kind = f"named_struct('op', {OP}, 'v', {_values(spec, columns)})"
    place = _list((*spec.keys, TIME, LOAD, SEQ))
    return f"""
      SELECT {place}, bool_or({_from(files)}) AND NOT (min({kind}) <=> max({kind})) AS tied,
        count_if({BATCH} = {text(batch)}) AS fresh
      FROM {spec.log} WHERE {_within(span)} GROUP BY {place}"""


def problems_sql(
    rows: str, spec: Spec, columns: Iterable[str], files: Iterable[str], span: Span | None
) -> str:
    """The quarantine's records for a run's files: table, reason, file and the row as JSON."""
    shown = "map('timeZone', 'UTC', 'timestampFormat', 'yyyy-MM-dd HH:mm:ss.SSSSSSXXX')"
    columns = list(columns)
    before = [BEFORE + key for key in spec.keys]
    name = text(spec.table.name)
    bad = f"""
      SELECT {name} AS `table`, {PROBLEM} AS reason, {FILE} AS file,
        to_json(struct({_list((OP, RAW_TIME, SEQ, *before, *columns))}), {shown}) AS payload
      FROM {rows} WHERE {PROBLEM} IS NOT NULL"""
    if span is None:  # no row is an event
        return bad
    tied = f"to_json(struct({_list((OP, TIME, SEQ, *columns), 'l.')}), {shown})"
    return f"""{bad}
      UNION ALL
      SELECT {name}, 'one sequence with different values', l.{FILE}, {tied}
      FROM {spec.log} l LEFT SEMI JOIN ({_places(spec, columns, files, "", span)}) p
      ON {_match((*spec.keys, TIME, LOAD, SEQ), "l", "p")} AND p.tied
      WHERE l.{_within(span)}"""
