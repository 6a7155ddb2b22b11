"""The history table against the reference: every permutation and batching of small cases, and random lives."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from headwater_history import fold
from headwater_history.names import spec_of
from headwater_history.run import apply
from headwater_history.snapshot import held_at
from reference import Event, versions
from support import Lake, at, change, mark, write_changes

Make = Callable[..., Lake]
TYPES = {"region": pa.string(), "id": pa.int64(), "name": pa.string(), "score": pa.int32()}
TYPES |= {"BI_region": pa.string(), "BI_id": pa.int64()}
A, B, C = ("a", 1), ("b", None), (None, None)

# Each at most four events. What they have in common: the order in which they arrive must not matter.
CASES: dict[str, list[Event]] = {
    "two changes and a delete": [Event(1, 1, "I", A), Event(2, 2, "U", B), Event(3, 3, "D", B)],
    "to NULL and back": [Event(1, 1, "I", A), Event(2, 2, "U", C), Event(3, 3, "U", A)],
    "delete, then back with the same values": [Event(1, 1, "I", A), Event(2, 2, "D", A), Event(5, 3, "I", A)],
    "one transaction, last change counts": [Event(1, 1, "I", A), Event(4, 2, "U", B), Event(4, 3, "U", C)],
    "one transaction leaves nothing": [Event(4, 1, "I", A), Event(4, 2, "U", B), Event(4, 3, "D", B)],
    "delete and insert in one transaction": [Event(1, 1, "I", A), Event(4, 2, "D", A), Event(4, 3, "I", B)],
    "a change that changes nothing": [Event(1, 1, "I", A), Event(2, 2, "U", A), Event(3, 3, "U", B)],
    "nothing changed, until a late event comes between": [
        Event(1, 1, "I", A), Event(3, 3, "U", A), Event(2, 2, "U", B), Event(5, 4, "D", A),
    ],
    "delete of a key nobody knows": [Event(2, 1, "D", A)],
    "delete, before the insert it belongs to": [Event(1, 1, "I", B), Event(2, 2, "D", B)],
    "update of a key nobody knows": [Event(2, 1, "U", B), Event(2, 2, "U", A)],
    "insert of a key that is there": [Event(1, 1, "I", A), Event(2, 2, "I", B)],
    "loaded, then changed": [Event(0, -1, "I", A), Event(2, 1, "U", B), Event(3, 2, "D", B)],
    "loaded with a change that is captured too": [Event(0, -1, "I", B), Event(2, 1, "U", B)],
    "loaded after its insert was captured": [Event(0, -1, "I", A), Event(2, 1, "I", A), Event(3, 2, "U", B)],
    "loaded after it was deleted and put back": [
        Event(0, -1, "I", C[:1] + (7,)), Event(2, 1, "D", A), Event(3, 2, "I", C[:1] + (7,)),
    ],
    "loaded at the very moment of a change": [Event(2, -1, "I", A), Event(2, 1, "U", B)],
    "loaded twice": [Event(0, -1, "I", A), Event(4, -1, "I", B), Event(2, 1, "U", C)],
}  # fmt: skip


def arrangements(count: int) -> Iterator[tuple[int, ...]]:
    """Every way to hand out so many events to batches: for each event its batch, batches numbered without a gap."""
    for choice in itertools.product(range(count), repeat=count):
        if set(choice) == set(range(max(choice) + 1)):
            yield choice


# What a table may keep, as pipeline.json tells it and as the reference takes it: places of (name, score), removes.
RULES: dict[str, tuple[dict[str, Any], tuple[int, ...] | None, bool]] = {
    "all columns": ({}, None, False),
    "tracks name": ({"trackHistoryOn": ["NAME"]}, (0,), False),
    "removes": ({"deletePolicy": "remove"}, None, True),
    "tracks score, removes": ({"trackHistoryOn": ["score"], "deletePolicy": "remove"}, (1,), True),
    "SCD type 1": ({"scdType": 1, "deletePolicy": "remove"}, (), True),
}


def expected(lives: dict[tuple[str, int], list[Event]], rule: str = "all columns") -> list[tuple[Any, ...]]:
    told = (
        (*key, *values, start, end)
        for key, events in lives.items()
        for values, start, end in versions(events, *RULES[rule][1:])
    )
    return sorted(told, key=lambda row: (row[0], row[1], row[-2]))


def rows_of(key: tuple[str, int], event: Event) -> dict[str, Any]:
    name, score = event.values or (None, None)
    seq = "" if event.load else event.seq
    return change(event.op, event.at, seq, region=key[0], id=key[1], name=name, score=score)


def deliver(
    lake: Lake, batch: int, rows: list[tuple[bool, dict[str, Any]]], chance: random.Random, ask: str = "auto",
    lateness: int = 604_800,
) -> None:  # fmt: skip
    """Writes a batch as DMS does, load rows in LOAD files, in any order of rows, and applies it."""
    chance.shuffle(rows)
    for load in (True, False):
        mine = [row for is_load, row in rows if is_load is load]
        for part in range(2):
            name = (
                f"LOAD{batch * 2 + part + 1:08X}.parquet"
                if load
                else f"20260301-12{batch:02}00{part:03}.parquet"
            )
            if mine[part::2]:
                write_changes(lake.incoming() / name, mine[part::2], TYPES)
    apply(lake.spark, lake.files, lake.pipeline(latenessSeconds=lateness), ask=ask)
    assert lake.files.list(str(lake.incoming())) == []


def read(lake: Lake) -> list[tuple[Any, ...]]:
    """All that is there of a table: its history, or its rows where it keeps no history."""
    if lake.rule.get("scdType") == 1:
        return lake.rows("SELECT region, id, name, score FROM {customers} ORDER BY 1, 2")
    return lake.history("region, id, name, score")


def shown(lake: Lake, known: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [row[:4] for row in known if row[-1] is None] if lake.rule.get("scdType") == 1 else known


@pytest.mark.parametrize("rule", ["all columns", "tracks score, removes"])
def test_the_order_of_arrival_does_not_matter(make_lake: Make, rule: str) -> None:
    """Every permutation and every batching of every case, each as a key of its own, replays included."""
    lake, chance = make_lake(customers=["region", "id"]), random.Random(7)
    lake.rule = RULES[rule][0]
    batches: dict[int, list[tuple[bool, dict[str, Any]]]] = defaultdict(list)
    lives: dict[tuple[str, int], list[Event]] = {}
    for case, events in CASES.items():
        for number, arrangement in enumerate(arrangements(len(events))):
            key = (case, number)
            lives[key] = events
            for event, batch in zip(events, arrangement, strict=True):
                again = [batch, *([chance.randrange(batch, 4)] if chance.random() < 0.3 else [])]
                for each in again:
                    batches[each].append((event.load, rows_of(key, event)))
    assert len(lives) > 200
    for batch in range(4):
        deliver(lake, batch, batches[batch], chance)
    assert read(lake) == shown(lake, expected(lives, rule))
    assert lake.rows("SELECT count(*) FROM {headwater_quarantine}") == [(0,)]


def life(chance: random.Random) -> list[Event]:
    """One key's events: mostly what a source can do, sometimes what it cannot."""
    events, seq = [], itertools.count(chance.randrange(1000) * 100)
    if chance.random() < 0.4:
        events.append(Event(0, -1, "I", (chance.choice("xyz"), None)))
    for _ in range(chance.randrange(6)):
        at = chance.randrange(-2, 12)
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            values = (chance.choice(["x", "y", None]), chance.choice([1, None]))
            events.append(Event(at, next(seq), chance.choice("IUUUD"), values))
    return events


# Ways to read and to fold a log: which of them a log of few rows would never meet.
OFTEN = {"SMALL": -1, "MIN_EVENTS": 1, "MAX_SHARE": 0.01}
FORMS: dict[str, dict[str, float]] = {
    "whole": {},
    "plain": {"SMALL": -1, "MIN_EVENTS": 10**9},
    "rewrite": OFTEN,
    "extend": {**OFTEN, "MAX_RECENT": 10**6},
    "rebuild": {**OFTEN, "MAX_LATE_BATCHES": 1, "MAX_LATE": 0},
    "merge": {**OFTEN, "MAX_LATE_BATCHES": 1, "MAX_LATE": 1},
}


MEETINGS = [
    ("whole", "tracks name"), ("plain", "all columns"), ("plain", "SCD type 1"), ("rewrite", "tracks score, removes"),
    ("extend", "all columns"), ("rebuild", "removes"), ("merge", "all columns"),
]  # fmt: skip
# Seconds. The random lives below bring nothing later than this, so that nothing they bring may be left out, and what has
# become needless behind it is forgotten on the way.
LATENESS = 9


@pytest.mark.parametrize(("form", "rule"), MEETINGS)
@settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), convention=st.sampled_from(["paper", "autoCdc"]))
def test_random_lives_in_random_batches(
    make_lake: Make, form: str, rule: str, seed: int, convention: str
) -> None:
    """Hundreds of keys, each with a life of its own; after each batch the table is what is known by then. Some rows
    change their key, told as one update with a before image or as a delete and an insert; the table is loaded again."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in FORMS[form].items():
            patch.setattr(fold, name, value)
        lake = make_lake(convention, customers=["region", "id"])
        lake.rule = RULES[rule][0]
        # Asked to fold, a log with late events would be rebuilt or merged and not extended.
        live(lake, random.Random(seed), rule, asks=0 if form == "extend" else 0.3)
        assert form in {
            name for row in lake.rows("SELECT DISTINCT form, way FROM {headwater_runs}") for name in row
        }


Key = tuple[str, int]
Told = tuple[bool, dict[str, Any], list[tuple[Key, Event]]]


def batches_of(chance: random.Random) -> dict[int, list[Told]]:
    """What arrives in each batch: whether it is a load row, the row, and the facts that it tells."""
    batches: dict[int, list[Told]] = defaultdict(list)
    for number in range(200):
        key, other = ("n", number), ("n", number + 1000)
        # No event comes before its time, or all that follows would be late; most keys' events come in time.
        ordered = chance.random() < 0.7
        for event in life(chance):
            due = (event.at + 2) // 5
            batch = due if ordered else chance.randrange(due, 3)
            batches[batch].append((event.load, rows_of(key, event), [(key, event)]))
        if chance.random() < 0.2:
            at, seq, values = chance.randrange(12), 900_000, ("moved", chance.randrange(3))
            leave, come = Event(at, seq, "D", None), Event(at, seq, "I", values)
            batch = chance.randrange((at + 2) // 5, 3)
            if chance.random() < 0.5:
                row = rows_of(other, come) | {"Op": "U", "BI_region": key[0], "BI_id": key[1]}
                batches[batch].append((False, row, [(key, leave), (other, come)]))
            else:
                batches[batch].append((False, rows_of(key, leave), [(key, leave)]))
                batches[chance.randrange((at + 2) // 5, 3)].append(
                    (False, rows_of(other, come), [(other, come)])
                )
        if chance.random() < 0.3:  # when the horizon has passed over the first events
            event = Event(chance.randrange(3, 15), 800_000, chance.choice("IUD"), (chance.choice("xyz"), 1))
            batches[3].append((False, rows_of(key, event), [(key, event)]))
    return batches


def live(lake: Lake, chance: random.Random, rule: str, asks: float) -> None:
    batches = batches_of(chance)
    moment, reloaded = 7, chance.choice([1, 2])
    brought = {("n", number): Event(moment, -1, "I", ("load", None)) for number in range(1100) if number % 3}
    loads: list[Told] = [(True, rows_of(key, event), [(key, event)]) for key, event in brought.items()]
    batches[reloaded] += loads
    lives: dict[Key, list[Event]] = defaultdict(list)
    for batch in range(4):
        again = chance.sample(batches[chance.randrange(batch + 1)], 30)
        for _, _, facts in [*batches[batch], *again]:
            for key, event in facts:
                lives[key].append(event)
        if batch == reloaded:
            mark(lake, moment, len(brought))
        rows = [(load, row) for load, row, _ in [*batches[batch], *again]]
        deliver(lake, batch, rows, chance, "now" if chance.random() < asks else "auto", LATENESS)
        if batch >= reloaded:
            for key, events in lives.items():
                if key not in brought and any(event.at < moment for event in events):
                    events.append(Event(moment, -1, "D", None))
        known = expected(lives, rule)
        assert read(lake) == shown(lake, known)
        if lake.rule.get("scdType") != 1:
            held(lake, known, [chance.randrange(-3, 16) - chance.choice((0, 0.000001)) for _ in range(3)])
        current = sorted(row[:4] for row in known if row[-1] is None)
        assert lake.rows("SELECT region, id, name, score FROM {customers_current} ORDER BY 1, 2") == current


def held(lake: Lake, known: list[tuple[Any, ...]], moments: Iterable[float]) -> list[str]:
    """Asserts that the table says it held at these moments what the known versions say; returns the queries that told."""
    spec = spec_of(lake.pipeline(), lake.pipeline().tables[0])
    queries = []
    for moment in moments:
        queries.append(held_at(lake.spark, spec, at(moment))[0])
        found = lake.rows(f"SELECT region, id, name, score FROM ({queries[-1]}) ORDER BY 1, 2")
        assert found == [
            row[:4] for row in known if row[-2] <= moment and (row[-1] is None or moment < row[-1])
        ]
    return queries


def test_a_moment_is_told_by_what_is_folded_and_by_what_is_not(
    make_lake: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every case, cut in every way into what is in `base`, in `recent` and in `tail`, each as a key of its own; nothing
    comes late, so that no version has to be derived."""
    for name, value in {**FORMS["plain"], "MAX_RECENT": 10**6}.items():
        monkeypatch.setattr(fold, name, value)
    lake, chance = make_lake(customers=["region", "id"]), random.Random(11)
    lives: dict[Key, list[Event]] = {}
    batches: dict[int, list[tuple[bool, dict[str, Any]]]] = defaultdict(list)
    for case, events in CASES.items():
        for number, cuts in enumerate(itertools.combinations_with_replacement(range(-1, 6), 2)):
            key = (case, number)
            # A batch holds nothing that is as old as what the one before it brought.
            batch = {event: sum(event.at > cut for cut in cuts) for event in events}
            moved = {event: replace(event, at=event.at + 10 * batch[event]) for event in events}
            lives[key] = list(moved.values())
            for event in events:
                batches[batch[event]].append((event.load, rows_of(key, moved[event])))
    for number, ask in enumerate(("now", "now", "auto")):
        deliver(lake, number, batches[number], chance, ask)
    assert {row[0] for row in lake.rows("SELECT DISTINCT __part FROM {customers__log}")} == {
        "base", "recent", "closed", "past", "tail",
    }  # fmt: skip
    assert read(lake) == expected(lives)
    for asked in held(
        lake, expected(lives), [*range(6), *(10 + each / 2 for each in range(8)), *range(19, 27)]
    ):
        assert "customers`" not in asked
