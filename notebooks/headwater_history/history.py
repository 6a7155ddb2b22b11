"""What history is: SQL that derives a key's versions from its events.

The history of a key is a function of its events and of nothing else. Late events, replays, crashes and batches cut
anywhere are therefore one case: derive the touched keys anew.

Rules, in the order they are applied to one key's events:
1. Events are ordered by commit time, then load rows before captured changes, then change sequence. Events that tie in
   all of these (never by a working source; recorded in the quarantine) are ordered I < U < D, then by value.
2. The last event of a commit time counts: what a transaction undoes itself was never visible outside it.
3. A load row is stamped with the task's start but was read later, so it may hold changes that are captured as well:
   a. directly followed by a captured insert, the row did not exist at the task's start, and the load row says just that;
   b. directly followed by a captured delete that tells the row's values (its before image), those are what the row was
      at the task's start: it was deleted and put back before it was read.
   What cannot be known: if a row was updated between the task's start and its reading, no event holds the values it
   had before; the load row's values then stand from the task's start on. A row deleted in that time leaves none.
4. A change that changes nothing opens no version; a delete closes; a delete of a key that is not there does nothing
   (but is kept, and a late insert meets it); an insert after a delete opens a version after a gap.
5. Where the table's rule tracks some columns only, a change of others opens no version, and the version takes the
   newest values. Where it says that deletes remove, there are no versions from before a key's last delete.
   SCD type 1 is the two together with no column tracked, and shows what is current.

A version is carried by the last event that left it as it is, so that the row of a current version is also the key's
last event. A row that carries a version stands for three facts, and may be derived from again as such: the version
began at its start, the event happened, the version ended at its end. So of the events that carry nothing, those may
be forgotten which lie before another event of their key, when both are older than any event that may still come.

Known limit: two rows that exchange keys inside one transaction (deferred constraints) hold one key twice for a moment,
which one key's events cannot tell from a row that came and went.
"""

from __future__ import annotations

from collections.abc import Iterable

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
    Spec,
    q,
    text,
)  # fmt: skip
from .reader import BEFORE, PROBLEM, RAW_TIME

TOLD = "__told"
# How to_json writes times in the quarantine, whatever the session's zone.
_SHOWN = "map('timeZone', 'UTC', 'timestampFormat', 'yyyy-MM-dd HH:mm:ss.SSSSSSXXX')"
# What a row stands for, in the order these come at one moment.
_ENDED, _BEGAN, _EVENT = 0, 1, 2
_PLACE = "load DESC, seq, CASE op WHEN 'I' THEN 0 WHEN 'U' THEN 1 ELSE 2 END, v"
_ORDER, ORDER_OF_EVENTS = f"at, form, {_PLACE}", f"at, {_PLACE}"


def listed(names: Iterable[str], prefix: str = "") -> str:
    """Column names for a SELECT."""
    return ", ".join(prefix + q(name) for name in names)


def matched(names: Iterable[str], left: str, right: str) -> str:
    """The condition that two rows agree in these columns, none of which is NULL."""
    return " AND ".join(f"{left}.{q(name)} = {right}.{q(name)}" for name in names)


def parts(*names: str) -> str:
    """The condition that a row of the log is in one of these parts."""
    return f"{PART} IN ({', '.join(map(text, names))})"


def values_sql(spec: Spec, columns: Iterable[str]) -> str:
    """A row's values but its key as one struct, so that `<=>` compares all of them, NULLs included, at once."""
    fields = "".join(f", {text(name)}, {q(name)}" for name in columns if name not in spec.keys)
    return f"named_struct('__alive', true{fields})"


def events_sql(rows: str, spec: Spec, columns: Iterable[str]) -> str:
    """The events of a run's rows, and the rows that are none with their PROBLEM. An update that changed the key (its
    old values are known from the before image) is two events of one sequence: a delete of the old key, and an insert
    of the new one, which did not exist. TOLD is the operation as the file tells it, once a row."""
    moved = f"{PROBLEM} IS NULL AND {OP} = 'U'"
    moved += f" AND {' AND '.join(f'{q(BEFORE + key)} IS NOT NULL' for key in spec.keys)}"
    moved += f" AND NOT ({' AND '.join(f'{q(BEFORE + key)} <=> {q(key)}' for key in spec.keys)})"
    old = {key: q(BEFORE + key) for key in spec.keys}
    values = [
        f"if(moved AND part = 'D', {old.get(name, 'NULL')}, {q(name)}) AS {q(name)}" for name in columns
    ]
    return f"""
      SELECT {PROBLEM}, if(moved AND part = 'D', NULL, {OP}) AS {TOLD}, part AS {OP}, {listed((TIME, SEQ, LOAD, FILE))},
        CAST(NULL AS TIMESTAMP) AS {START}, CAST(NULL AS TIMESTAMP) AS {END}, {", ".join(values)}
      FROM (SELECT *, {moved} AS moved FROM {rows})
      LATERAL VIEW explode(if(moved, array('D', 'I'), array({OP}))) AS part"""


def _facts_sql(rows: str, spec: Spec, columns: Iterable[str]) -> str:
    """What the log's rows stand for: one row a fact, `v` the values as a struct, `form` which fact it is."""
    forms = f"""filter(array(
        if({END} IS NOT NULL, {_ENDED}, NULL), if({OP} = 'V' OR {START} < {TIME}, {_BEGAN}, NULL),
        if({OP} = 'V', NULL, {_EVENT})), fact -> fact IS NOT NULL)"""
    return f"""
      SELECT {listed(spec.keys)}, form, v, {FILE} AS file,
        CASE form WHEN {_ENDED} THEN {END} WHEN {_BEGAN} THEN {START} ELSE {TIME} END AS at,
        CASE form WHEN {_ENDED} THEN 'D' WHEN {_BEGAN} THEN 'U' ELSE {OP} END AS op,
        if(form = {_EVENT}, {SEQ}, '') AS seq, form = {_EVENT} AND {LOAD} AS load
      FROM (SELECT *, {values_sql(spec, columns)} AS v FROM ({rows}))
      LATERAL VIEW explode({forms}) AS form"""


def _tracked(spec: Spec, columns: Iterable[str], state: str) -> str:
    """What of a row's values a new version depends on; NULL where there is no row."""
    tracked = spec.table.rule.track_history_on
    if spec.table.rule.scd_type == 2 and tracked is None:
        return state
    wanted = {name.lower() for name in tracked or ()}
    fields = "".join(
        f", {text(name)}, {state}.{q(name)}"
        for name in columns
        if name not in spec.keys and name.lower() in wanted
    )
    return f"if({state} IS NULL, NULL, named_struct('__alive', true{fields}))"


# What an event tells the load row before it (rule 3): whether it is a captured change, and a delete's values.
AHEAD = "named_struct('op', if(load, 'load', op), 'v', if(op = 'D', v, NULL))"


def lends_sql(spec: Spec, columns: Iterable[str], ahead: str) -> str:
    """The condition that the values of a row, if it is a load row, are those of the event behind it, by rule 3b. `ahead`:
    that event's AHEAD."""
    rest = [name for name in columns if name not in spec.keys]
    image = " OR ".join(f"{ahead}.v.{q(name)} IS NOT NULL" for name in rest) or "false"
    return f"({ahead}.op = 'D' AND ({image}))"


def state_sql(spec: Spec, columns: Iterable[str]) -> str:
    """A row's values after an event (`op`, `load`, `v`), NULL when there is no row; `next`: AHEAD of the event behind it."""
    return f"""CASE WHEN op = 'D' OR (load AND next.op = 'I') THEN NULL
      WHEN load AND {lends_sql(spec, columns, "next")} THEN next.v ELSE v END"""


def _derived_sql(rows: str, spec: Spec, columns: Iterable[str]) -> str:
    """The facts with what follows from them. `state`: the row's values from then on, NULL when there is no row;
    `counted`: not undone at the same moment; `carrier`: the last that leaves a version as it is, which began at
    `begun` and ended at `ended`; `removed`: that version went with a later delete; `newest`: the last event of its key;
    `lent`: a load row whose values come from the delete behind it; `twin`: told once more behind; `tied`: its place in
    the order is also another's."""
    columns = list(columns)
    keys = listed(spec.keys)
    rest = [name for name in columns if name not in spec.keys]
    # Only a delete's values are asked for ahead, and beside only whether they are the same: rows stay small.
    told = "".join(f", v.{q(name)} IS NULL, v.{q(name)}" for name in rest)
    place, what = "named_struct('at', at, 'load', load, 'seq', seq)", f"xxhash64(op{told})"
    beside = f"named_struct('form', form, 'place', {place}, 'what', {what})"
    window = f"WINDOW w AS (PARTITION BY {keys} ORDER BY {_ORDER})"
    gone = f"max(if(changed AND state IS NULL, at, NULL)) OVER (PARTITION BY {keys})"
    return f"""
      SELECT *, after.at AS ended, counted AND after IS NULL AS newest, coalesce(begun < gone, false) AS removed,
        counted AND state IS NOT NULL AND coalesce(after.changed, true) AS carrier
      FROM (
        SELECT *,
          last_value(if(changed, at, NULL), true) OVER
            (PARTITION BY {keys} ORDER BY {_ORDER} ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS begun,
          {gone if spec.table.rule.removes else "CAST(NULL AS TIMESTAMP)"} AS gone,
          last_value(if(counted, named_struct('at', at, 'load', load AND op <> 'D'), NULL), true) OVER
            (PARTITION BY {keys} ORDER BY {_ORDER} ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS final,
          lead(if(counted, named_struct('at', at, 'changed', changed), NULL)) IGNORE NULLS OVER w AS after
        FROM (
          SELECT *, counted AND
            NOT (tracked <=> (lag(if(counted, named_struct('it', tracked), NULL)) IGNORE NULLS OVER w).it) AS changed
          FROM (
            SELECT *, {_tracked(spec, columns, "state")} AS tracked FROM (SELECT *, coalesce(next_at <> at, true) AS counted,
              coalesce(load AND {lends_sql(spec, columns, "next")}, false) AS lent, {state_sql(spec, columns)} AS state,
              coalesce(behind.form = form AND behind.place = {place} AND behind.what <=> {what}, false) AS twin,
              coalesce(form = {_EVENT} AND behind.form = form AND behind.place = {place}
                AND NOT (behind.what <=> {what}), false)
              OR coalesce(form = {_EVENT} AND ahead.form = form AND ahead.place = {place}
                AND NOT (ahead.what <=> {what}), false) AS tied
            FROM (
              SELECT *, lead(at) OVER w AS next_at,
                lead({beside}) OVER w AS behind, lag({beside}) OVER w AS ahead,
                lead(if(form = {_EVENT}, {AHEAD}, NULL)) IGNORE NULLS OVER w AS next
              FROM ({_facts_sql(rows, spec, columns)}) {window}
            ))
          ) {window}
        ) {window}
      )"""


def taken(spec: Spec, columns: Iterable[str], struct: str) -> list[str]:
    """The columns of rows whose values are a struct."""
    return [q(name) if name in spec.keys else f"{struct}.{q(name)} AS {q(name)}" for name in columns]


def versions_sql(rows: str, spec: Spec, columns: Iterable[str]) -> str:
    """The versions that the log's rows tell: the table's columns, START and END."""
    columns = list(columns)
    return f"""
      SELECT {", ".join(taken(spec, columns, "state"))}, begun AS {START}, ended AS {END}
      FROM ({_derived_sql(rows, spec, columns)}) WHERE carrier AND NOT removed"""


def folded_sql(
    rows: str, spec: Spec, columns: Iterable[str], run: str, current: str, horizon: int | None = None
) -> str:
    """The log's rows anew, each in the part where it belongs once it is folded, and `tied`. `current` is the part for
    the rows of current versions; if it is `recent`, the deletes that came last go there too, to hide older rows. A
    version that a load row ended, when nothing has come since, stays with the current one: see rule 3b, by which the
    next event may show that it had not ended. `horizon`, in microseconds since 1970, where `rows` are all that is
    known: what has become needless behind it is forgotten."""
    columns = list(columns)
    dead = f"WHEN newest THEN {text(RECENT)}" if current == RECENT else ""
    blank = _blank(spec, "op", "at", horizon)
    values = [
        q(name)
        if name in spec.keys
        else f"CASE WHEN version THEN state.{q(name)} WHEN {blank} THEN NULL ELSE v.{q(name)} END AS {q(name)}"
        for name in columns
    ]
    derived, kept = _derived_sql(rows, spec, columns), f"NOT twin AND (form = {_EVENT} OR carrier)"
    if horizon is not None:
        settled = f"max(if(form = {_EVENT} AND {_behind('at', horizon)}, at, NULL))"
        derived = f"SELECT *, {settled} OVER (PARTITION BY {listed(spec.keys)}) AS settled FROM ({derived})"
        kept += f" AND NOT ((NOT version OR removed) AND {_needless('at', 'if(version, ended, NULL)')})"
    return f"""
      SELECT CASE WHEN version AND removed THEN {text(PAST)}
          WHEN version AND ended IS NOT NULL AND NOT (final.load AND final.at = ended) THEN {text(CLOSED)}
          WHEN version THEN {text(current)}
          {dead} ELSE {text(PAST)} END AS {PART}, {text(run)} AS {RUN},
        if(version AND (lent OR form = {_BEGAN}), 'V', op) AS {OP}, at AS {TIME}, seq AS {SEQ},
        load AND NOT (version AND lent) AS {LOAD},
        if(version, begun, NULL) AS {START}, if(version, ended, NULL) AS {END}, file AS {FILE},
        {", ".join(values)}, tied
      FROM ({derived}) LATERAL VIEW explode(if(carrier AND lent, array(true, false), array(carrier))) AS version
      WHERE {kept}"""


def _behind(time: str, horizon: int) -> str:
    return f"{time} < timestamp_micros({horizon})"


def _needless(time: str, end: str) -> str:
    """The condition that nothing can depend any more on an event that carries no version to be shown: `settled` is the
    newest moment behind the horizon at which its key has an event."""
    return f"coalesce({time} < settled AND coalesce({end} <= settled, true), false)"


def _blank(spec: Spec, op: str, time: str, horizon: int | None) -> str:
    """The condition that a delete keeps no values: where deletes remove, once no load row can need them (rule 3b)."""
    if horizon is None or not spec.table.rule.removes:
        return "false"
    return f"{op} = 'D' AND {_behind(time, horizon)}"


def remembered_sql(spec: Spec, columns: Iterable[str], run: str, horizon: int) -> str:
    """The rows of `past` without those that have become needless behind the horizon."""
    names, blank = [OP, TIME, SEQ, LOAD, START, END, FILE], _blank(spec, f"p.{OP}", f"p.{TIME}", horizon)
    values = [
        f"p.{q(name)}" if name in spec.keys else f"if({blank}, NULL, p.{q(name)}) AS {q(name)}"
        for name in columns
    ]
    return f"""
      SELECT {text(PAST)} AS {PART}, {text(run)} AS {RUN}, {listed(names, "p.")}, {", ".join(values)}, false AS tied
      FROM {spec.log} p LEFT JOIN (
        SELECT {listed(spec.keys)}, max({TIME}) AS settled FROM {spec.log}
        WHERE {OP} <> 'V' AND {_behind(TIME, horizon)} GROUP BY {listed(spec.keys)}
      ) k ON {matched(spec.keys, "p", "k")}
      WHERE p.{parts(PAST)} AND NOT {_needless(f"p.{TIME}", f"p.{END}")}"""


def keys_in(spec: Spec, *of: str) -> str:
    return f"(SELECT {listed(spec.keys)} FROM {spec.log} WHERE {parts(*of)})"


def _came(late: bool) -> tuple[str, ...]:
    return (TAIL, LATE) if late else (TAIL,)


def touching_rows_sql(spec: Spec, columns: Iterable[str], late: bool) -> str:
    """All rows of the log from which the keys that `tail` speaks of are derived: what came in order changes nothing that
    has ended. With `late`, also all that is known of the keys with late events."""
    names = [OP, TIME, SEQ, LOAD, START, END, FILE, *columns]
    same = {other: f"{keys_in(spec, *of)} {other} ON {matched(spec.keys, 'b', other)}" for other, of in (
        ("k", _came(late)), ("r", (RECENT,)), ("l", (LATE,))
    )}  # fmt: skip
    told = f"""
      SELECT {listed(names)} FROM {spec.log} WHERE {parts(*_came(late))}
      UNION ALL
      SELECT {listed(names, "b.")} FROM {spec.log} b LEFT SEMI JOIN {same["k"]}
        LEFT ANTI JOIN {same["r"]} AND b.{parts(BASE)}
      WHERE b.{parts(BASE, RECENT)}"""
    if late:
        told += f"""
      UNION ALL
      SELECT {listed(names, "b.")} FROM {spec.log} b LEFT SEMI JOIN {same["l"]} WHERE b.{parts(CLOSED, PAST)}"""
    return told


def all_rows_sql(spec: Spec, columns: Iterable[str], late: bool = False) -> str:
    """All that is known; with `late`, of the keys with late events."""
    names = listed([OP, TIME, SEQ, LOAD, START, END, FILE, *columns])
    only = f"LEFT SEMI JOIN {keys_in(spec, LATE)} k ON {matched(spec.keys, 'l', 'k')}" if late else ""
    return f"""
      SELECT {names} FROM (
        SELECT *, bool_or({parts(RECENT)}) OVER (PARTITION BY {listed(spec.keys)}) AS __hidden FROM {spec.log} l {only}
      ) WHERE NOT (__hidden AND {parts(BASE)})"""


def merge_sql(spec: Spec, columns: Iterable[str], run: str) -> str:
    """Takes all rows of the keys with late events out of the log and puts them in as they are folded, in one commit."""
    columns = list(columns)
    names = [PART, RUN, OP, TIME, SEQ, LOAD, START, END, FILE, *columns]
    none = ", ".join(q(name) if name in spec.keys else f"NULL AS {q(name)}" for name in names)
    folded = folded_sql(all_rows_sql(spec, columns, late=True), spec, columns, run, RECENT)
    return f"""
      MERGE INTO {spec.log} t USING (
        SELECT false AS taken, {listed(names)} FROM ({folded})
        UNION ALL SELECT DISTINCT true AS taken, {none} FROM {keys_in(spec, LATE)}
      ) s ON s.taken AND {matched(spec.keys, "t", "s")}
      WHEN MATCHED THEN DELETE
      WHEN NOT MATCHED AND NOT s.taken THEN INSERT ({listed(names)}) VALUES ({listed(names, "s.")})"""


def untouched_sql(spec: Spec, names: Iterable[str], late: bool, of: Iterable[str] = (BASE, RECENT)) -> str:
    """The rows of `base` and `recent`, or of one of them, as `b`, whose keys nothing newer speaks of."""
    newer = (
        f"(SELECT {listed(spec.keys)}, {PART} AS came FROM {spec.log} WHERE {parts(RECENT, *_came(late))})"
    )
    return f"""
      SELECT {listed(names, "b.")} FROM {spec.log} b
      LEFT ANTI JOIN {newer} k ON {matched(spec.keys, "b", "k")} AND (b.{parts(BASE)} OR k.came <> {text(RECENT)})
      WHERE b.{parts(*of)}"""


def tied_sql(spec: Spec, columns: Iterable[str], run: str) -> str:
    """The quarantine's records for events that tie, among those a run has folded: table, reason, file, row as JSON."""
    kind = f"named_struct('op', {OP}, 'v', {values_sql(spec, columns)})"
    place = [*spec.keys, TIME, LOAD, SEQ]
    events = f"SELECT * FROM {spec.log} WHERE {RUN} = {text(run)} AND {OP} <> 'V'"
    return f"""
      SELECT {text(spec.table.name)} AS `table`, 'one sequence with different values' AS reason, l.{FILE} AS file,
        to_json(struct({listed((OP, TIME, SEQ, *columns), "l.")}), {_SHOWN}) AS payload
      FROM ({events}) l LEFT SEMI JOIN (
        SELECT {listed(place)} FROM ({events}) GROUP BY {listed(place)} HAVING NOT (min({kind}) <=> max({kind}))
      ) p ON {matched(place, "l", "p")}"""


def rejected_sql(rows: str, spec: Spec, columns: Iterable[str]) -> str:
    """The quarantine's records for rows of a run's files that cannot be events."""
    before = [BEFORE + key for key in spec.keys]
    return f"""
      SELECT {text(spec.table.name)} AS `table`, {PROBLEM} AS reason, {FILE} AS file,
        to_json(struct({listed((OP, RAW_TIME, SEQ, *before, *columns))}), {_SHOWN}) AS payload
      FROM {rows} WHERE {PROBLEM} IS NOT NULL"""
