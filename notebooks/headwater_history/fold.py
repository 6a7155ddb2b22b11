"""Folding: bringing events from `tail` and `late` to the parts where their versions can be read without deriving them.

When to fold and how is decided from what is measured, after a run's events are there to be read. Each way is one
atomic commit that changes nothing of what readers see:

- `extend`: the touched keys go to `recent`, where they hide their rows in `base`. Costs as much as what is fresh and recent.
- `rewrite`: `base` is written anew with everything fresh in it. Costs as much as there are current rows.
- `merge`: the keys with late events are taken out of every part and put in anew. Costs as much as a search for them.
- `rebuild`: the whole log is written anew, late events and all, by the table's rule of today.
- `forget`: `past` is written anew without what has become needless behind the horizon, as `rebuild` does by the way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from . import history
from .config import Rule
from .history import listed, parts
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
    PLAIN,
    RECENT,
    RUN,
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

# Fold when so many batches wait: each is a file or more that every read opens. Half of what a read costs beside a plain
# one goes into opening 50; folding every 20 costs a batch a tenth more (bench/history.py).
MAX_BATCHES = 20
# ... or when they hold this part of the rows there are, but no fewer than MIN_EVENTS: those are derived in no time.
MAX_SHARE = 0.1
MIN_EVENTS = 20_000
# ... or when the oldest has waited for so long (seconds), so that what is closed can be read as such.
MAX_AGE = 24 * 3600.0
# Late events cost every reader more than others do.
MAX_LATE_BATCHES = 5
# Rebuild when so many of the rows are late that taking their keys out one by one is no less work.
MAX_LATE = 0.1
# Write `base` anew when `recent` is so large in comparison: each `extend` writes `recent` again, each read looks its keys up.
MAX_RECENT = 0.5
# Forget when `past` holds this part of the rows there are, and the horizon has passed over what it held last time.
MAX_PAST = 0.1
# A log of no more rows is read and folded as a whole: planning anything cleverer costs more than deriving all of it.
SMALL = 50_000


@dataclass(frozen=True)
class Log:
    """What is known of a log after a run: rows by part, what is not folded yet and since when (seconds since 1970), how
    far the rest is, and how far the needless was forgotten (microseconds since 1970), the form of the views ('': none),
    the rule by which the rest was folded, and the moments from which complete reloads count (like `folded_until`)."""

    form: str = ""
    rule: str = ""
    folded_until: int = 0
    forgotten_until: int = 0
    base: int = 0
    recent: int = 0
    closed: int = 0
    past: int = 0
    events: int = 0
    batches: int = 0
    late: int = 0
    late_batches: int = 0
    since: float | None = None
    reloads: tuple[int, ...] = ()

    def with_batch(self, events: int, late: int, now: float) -> Log:
        """With a batch that has just been appended: `events` in order and `late` ones."""
        if events + late == 0:
            return self
        return replace(
            self, events=self.events + events, batches=self.batches + (events > 0), late=self.late + late,
            late_batches=self.late_batches + (late > 0), since=self.since or now,
        )  # fmt: skip

    @property
    def rows(self) -> int:
        return self.base + self.recent + self.closed + self.past + self.events + self.late

    def right_form(self, rule: Rule) -> str:
        """The form of views that reads this log right, and for the least, where the table has this rule."""
        if self.rows <= SMALL or self.rule != str(rule):
            return WHOLE
        return WITH_LATE if self.late else PLAIN


@dataclass(frozen=True)
class Decision:
    way: str
    reason: str


def decide(log: Log, rule: Rule, lateness: int, now: float, ask: str = "auto") -> Decision | None:
    """The way to fold a log, and why; None: not now. `lateness`: the horizon in seconds. `ask`: `auto`, or `now` to fold
    whatever is not folded."""
    if log.rule != str(rule):
        return Decision("rebuild", f"folded by another rule: {log.rule or 'unknown'}; now: {rule}")
    return _to_fold(log, now, ask) or _to_forget(log, lateness)


def _to_forget(log: Log, lateness: int) -> Decision | None:
    span = lateness * 1_000_000
    if (
        log.past < max(log.rows * MAX_PAST, MIN_EVENTS)
        or log.folded_until - span < log.forgotten_until + span
    ):
        return None
    return Decision("forget", f"{log.past} of {log.rows} rows carry no version, the horizon has passed")


def _to_fold(log: Log, now: float, ask: str) -> Decision | None:
    age = 0.0 if log.since is None else now - log.since
    waiting = f"{log.events} events in {log.batches} batches and {log.late} late ones wait, the oldest for {age:.0f} s"
    due = ask == "now" or age >= MAX_AGE or log.batches >= MAX_BATCHES
    if log.events + log.late == 0:
        return None
    if log.rows <= SMALL:
        # Each late batch is a file, too.
        return Decision("rebuild", f"{waiting}; small") if due or log.late_batches >= MAX_BATCHES else None
    if log.late and (due or log.late_batches >= MAX_LATE_BATCHES):
        return Decision("rebuild" if log.late > log.rows * MAX_LATE else "merge", waiting)
    if log.events == 0 or not (due or log.events >= max((log.base + log.recent) * MAX_SHARE, MIN_EVENTS)):
        return None
    if log.recent + log.events > log.base * MAX_RECENT:
        return Decision("rewrite", f"{waiting}; {log.recent + log.events} fresh rows over {log.base}")
    return Decision("extend", waiting)


def newest(spark: SparkSession, spec: Spec, *of: str) -> int | None:
    """The newest commit time in these parts, in microseconds since 1970; None where they are empty."""
    found = spark.sql(
        f"SELECT unix_micros(max({TIME})) AS newest FROM {spec.log} WHERE {parts(*of)}"
    ).collect()
    return found[0]["newest"]


def fold(
    spark: SparkSession, spec: Spec, columns: list[str], run: str, way: str, log: Log, lateness: int
) -> tuple[Log, int]:
    """Folds a log of which `log` is known; `log.folded_until` tells already how far it will be folded. Returns what is
    known then, and how many events tie with others."""
    horizon = None
    if way in ("rebuild", "forget"):
        horizon = log.folded_until - lateness * 1_000_000
        log = replace(log, forgotten_until=horizon)
    if way == "forget":
        assert horizon is not None
        kept = spark.sql(history.remembered_sql(spec, columns, run, horizon))
        return _write(spec, columns, run, kept, (PAST,), replace(log, past=0))
    if way == "merge":
        return _merge(spark, spec, columns, run, log)
    if way == "rebuild":
        rows, replaced = history.all_rows_sql(spec, columns), (BASE, RECENT, CLOSED, PAST, TAIL, LATE)
        left = Log(log.form, str(spec.table.rule), log.folded_until, log.forgotten_until, reloads=log.reloads)
    else:
        rows = history.touching_rows_sql(spec, columns, late=False)
        replaced = (RECENT, TAIL) if way == "extend" else (BASE, RECENT, TAIL)
        base = log.base if way == "extend" else 0
        left = replace(log, base=base, recent=0, events=0, batches=0, since=log.since if log.late else None)
    current = RECENT if way == "extend" else BASE
    folded = spark.sql(history.folded_sql(rows, spec, columns, run, current, horizon))
    names = [OP, TIME, SEQ, LOAD, START, END, FILE, *columns]
    for part in {"extend": (RECENT,), "rewrite": (BASE, RECENT)}.get(way, ()):
        # A delete that came last has nothing to hide any more once `base` is written anew.
        kept = text(current) if way == "extend" else f"if({START} IS NULL, {text(PAST)}, {text(current)})"
        rows = f"({history.untouched_sql(spec, names, late=False, of=(part,))})"
        whole = f"SELECT {kept} AS {PART}, {text(run)} AS {RUN}, {listed(names)}, false AS tied FROM {rows}"
        folded = folded.unionByName(spark.sql(whole))
    return _write(spec, columns, run, folded, replaced, left)


def _write(
    spec: Spec, columns: list[str], run: str, frame: DataFrame, replaced: tuple[str, ...], left: Log
) -> tuple[Log, int]:
    """Writes rows in the place of whole parts. `left`: what is known of the others."""
    seen = Observation()
    counted = frame.observe(
        seen,
        *(F.count_if(F.col(PART) == part).alias(part) for part in (BASE, RECENT, CLOSED, PAST)),
        F.count_if("tied").alias("tied"),
    )
    names = (PART, RUN, OP, TIME, SEQ, LOAD, START, END, FILE, *columns)
    # All that this run writes satisfies the condition, as Delta asks for.
    place = F.expr(f"{parts(*replaced)} OR {RUN} = {text(run)}")
    counted.select(*map(q, names)).writeTo(spec.log).overwrite(place)
    told = seen.get
    known = {part: getattr(left, part) + told[part] for part in (BASE, RECENT, CLOSED, PAST)}
    return replace(left, **known), told["tied"]


def _merge(spark: SparkSession, spec: Spec, columns: list[str], run: str, log: Log) -> tuple[Log, int]:
    """What it takes from the other parts is not counted: the numbers serve to decide, and late events are few."""
    spark.sql(history.merge_sql(spec, columns, run)).collect()
    came = spark.sql(
        f"SELECT {PART} AS part, count(*) AS n FROM {spec.log} WHERE {RUN} = {text(run)} GROUP BY 1"
    ).collect()
    known = {row["part"]: getattr(log, row["part"]) + row["n"] for row in came}
    left = replace(log, late=0, late_batches=0, since=log.since if log.events else None, **known)
    return left, spark.sql(history.tied_sql(spec, columns, run)).count()
