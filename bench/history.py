"""The history engine against the statements of the paper it replaces (A), side by side in one session.

`npm run bench:history [-- --rows 1000000 --only batches,unfolded,bulk,late,many,closed]` prints each figure, its unit and
the ratio to A, and checks what the engine says against the reference of the tests. What to compare is a ratio of one
run: absolute times are this machine's. A runs a few times where the engine runs fifty: each of its batches costs alike.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "notebooks"), str(ROOT / "test" / "notebooks")]

from pyspark.sql import SparkSession

from headwater_history import fold
from headwater_history.names import spec_of
from headwater_history.run import apply
from headwater_history.snapshot import held_at
from reference import Event, versions
from support import EPOCH, Lake, at

VALUES = ("customer_id", "status", "amount", "note", "city", "qty", "updated_at")
COLUMNS = ("id", *VALUES)
NAMES = ", ".join(COLUMNS)


def values_sql(salt: int) -> str:
    """The columns of an order, made from its id and a salt."""
    return f"""id, id * 7 % 50000 AS customer_id, element_at(array('new', 'paid', 'sent', 'done'), CAST(id % 4 + 1 AS INT))
      AS status, CAST(pmod(hash(id, {salt}), 1000000) / 100 AS DECIMAL(12, 2)) AS amount,
      substr(md5(concat(id, '{salt}')), 1, 16) AS note, concat('city ', id % 300) AS city,
      CAST(id % 17 AS INT) AS qty, timestamp_micros(1700000000000000 + id * 1000) AS updated_at"""


class Bench:
    """A session, a folder, and what is printed."""

    def __init__(self, rows: int, folder: Path, connect: bool = False) -> None:
        self.rows, self.folder, self.connect, self.lakes = rows, folder, connect, 0
        self.spark = self._session()

    def _session(self) -> SparkSession:
        jars = sorted(Path(os.environ["HEADWATER_SPARK_JARS"]).glob("*.jar"))
        settings = {
            "spark.jars": ",".join(map(str, jars)),
            "spark.driver.memory": "6g",
            "spark.driver.extraJavaOptions": f"-Dderby.system.home={self.folder}",
            "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
            "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
            "spark.sql.warehouse.dir": str(self.folder / "warehouse"),
            "spark.local.dir": str(self.folder / "local"),
            "spark.sql.shuffle.partitions": "4",
            "spark.databricks.delta.snapshotPartitions": "1",
            "spark.sql.session.timeZone": "UTC",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
        }
        builder = SparkSession.builder.appName("headwater-bench")
        builder = builder.remote("local[2]") if self.connect else builder.master("local[2]")
        for key, value in settings.items():
            builder = builder.config(key, value)
        spark = builder.getOrCreate()
        if not self.connect:
            spark.sparkContext.setLogLevel("ERROR")
        return spark

    def lake(self, *tables: str) -> Lake:
        self.lakes += 1
        name = f"bench_{self.lakes}"
        return Lake(self.spark, name, self.folder / name, {table: ["id"] for table in tables})

    def bytes(self, table: str) -> int:
        """Bytes of every data file ever written for a table (nothing is vacuumed here)."""
        location = self.spark.sql(f"DESCRIBE DETAIL {table}").collect()[0]["location"].removeprefix("file:")
        return sum(path.stat().st_size for path in Path(location).rglob("*") if path.suffix in (".parquet", ".bin"))

    def time(self, work: Callable[[], object]) -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    def read(self, query: str) -> float:
        """Seconds to read all rows and columns of a query: the median of five, after one to warm up."""
        run = lambda: self.spark.sql(query).write.format("noop").mode("overwrite").save()
        run()
        return statistics.median(self.time(run) for _ in range(5))


def say(what: str, value: float, unit: str, of: float | None = None, goal: str = "") -> None:
    ratio = f"  {value / of:7.4f} of {of:.3g}" if of else ""
    print(f"{what:72} {value:12.3f} {unit:6}{ratio}{f'   goal {goal}' if goal else ''}", flush=True)


def write_load(bench: Bench, lake: Lake, table: str, rows: int) -> None:
    _write(bench, lake, table, "LOAD00000001", f"""
      SELECT 'I' AS Op, '{EPOCH:%Y-%m-%d %H:%M:%S.%f}' AS tx_commit_time, '' AS change_seq, {values_sql(0)}
      FROM range({rows})""")  # fmt: skip


def write_changes(bench: Bench, lake: Lake, table: str, number: int, events: int, keys: int, first: float) -> None:
    """A file of changes of random keys: a tenth deletes, a tenth inserts; 20 events a second from `first` on."""
    start = int(at(first).timestamp() * 1_000_000)
    _write(bench, lake, table, f"20260302-12{number:07}", f"""
      SELECT CASE WHEN r % 10 = 0 THEN 'D' WHEN r % 10 = 1 THEN 'I' ELSE 'U' END AS Op,
        date_format(timestamp_micros({start} + r DIV 4 * 200000), 'yyyy-MM-dd HH:mm:ss.SSSSSS') AS tx_commit_time,
        lpad(CAST({number} * 10000000L + r AS STRING), 35, '0') AS change_seq, {values_sql(number)}
      FROM (SELECT id AS r, CAST(pmod(xxhash64(id, {number}), {keys}) AS BIGINT) AS id FROM range({events}))""")  # fmt: skip


def _write(bench: Bench, lake: Lake, table: str, name: str, query: str) -> None:
    folder = bench.folder / "staging"
    bench.spark.sql(query).coalesce(1).write.mode("overwrite").parquet(str(folder))
    shutil.move(next(folder.glob("part-*.parquet")), lake.incoming(table) / f"{name}.parquet")


class Paper:
    """The statements of the paper, on a table of their own."""

    def __init__(self, bench: Bench, lake: Lake, table: str) -> None:
        self.spark, self.lake, self.name = bench.spark, lake, f"spark_catalog.{lake.schema}.{table}_paper"
        self.incoming = lake.incoming(table)
        bench.spark.sql(
            f"CREATE TABLE {self.name} USING DELTA AS SELECT {NAMES}, true AS current,"
            f" CAST(tx_commit_time AS TIMESTAMP) AS effective_date, CAST(NULL AS TIMESTAMP) AS end_date"
            f" FROM parquet.`{self.incoming}`"
        )

    def __call__(self) -> None:
        last = f"""SELECT * EXCEPT (n) FROM (SELECT {NAMES}, Op, CAST(tx_commit_time AS TIMESTAMP) AS tx_commit_time,
          row_number() OVER (PARTITION BY id ORDER BY tx_commit_time DESC) AS n FROM parquet.`{self.incoming}`) WHERE n = 1"""
        changed = lambda left, right: " OR ".join(f"{left}.{c} <> {right}.{c}" for c in VALUES)
        taken = lambda side: ", ".join(f"{side}.{c}" for c in COLUMNS)
        self.spark.sql(f"""
          WITH updates AS (SELECT * FROM ({last}) WHERE Op IN ('I', 'U'))
          MERGE INTO {self.name} t USING (
            SELECT updates.id AS merge_key, updates.* FROM updates
            UNION ALL SELECT NULL, updates.* FROM updates JOIN {self.name} o ON updates.id = o.id
            WHERE o.current = true AND ({changed("o", "updates")})
          ) s ON t.id = merge_key
          WHEN MATCHED AND t.current = true AND ({changed("t", "s")})
            THEN UPDATE SET current = false, end_date = s.tx_commit_time
          WHEN NOT MATCHED THEN INSERT ({NAMES}, current, effective_date, end_date)
            VALUES ({taken("s")}, true, s.tx_commit_time, NULL)""")
        self.spark.sql(f"""
          MERGE INTO {self.name} t USING (SELECT * FROM ({last}) WHERE Op = 'D') s ON t.id = s.id
          WHEN MATCHED THEN UPDATE SET current = false, end_date = s.tx_commit_time
          WHEN NOT MATCHED THEN INSERT ({NAMES}, current, effective_date, end_date)
            VALUES ({taken("s")}, false, s.tx_commit_time, s.tx_commit_time)""")


def log_of(lake: Lake, table: str) -> str:
    return f"spark_catalog.{lake.schema}.{table}__log"


def take(lake: Lake, **options: str) -> None:
    apply(lake.spark, lake.files, lake.pipeline(), **options)


def check(bench: Bench, lake: Lake, table: str, kept: list[str]) -> None:
    """Every version of the keys that changes touched, against the reference; and how many rows there are besides."""
    facts = " UNION ALL ".join(
        f"SELECT id, Op, tx_commit_time, change_seq, hash({', '.join(VALUES)}) AS h FROM parquet.`{path}`" for path in kept
    )
    base = EPOCH.timestamp() * 1e6
    events: dict[int, list[Event]] = defaultdict(list)
    touched = f"SELECT DISTINCT id FROM ({facts}) WHERE change_seq <> ''"
    found = bench.spark.sql(
        f"SELECT id, Op, unix_micros(CAST(tx_commit_time AS TIMESTAMP)) AS t, change_seq AS s, h FROM ({facts})"
        f" LEFT SEMI JOIN ({touched}) USING (id)"
    ).toPandas()
    for key, op, moment, seq, digest in found.itertuples(index=False):
        events[key].append(Event(moment - base, int(seq) if seq else -1, op, (digest,)))
    told: dict[int, list[tuple[object, ...]]] = defaultdict(list)
    rows = bench.spark.sql(
        f"SELECT id, hash({', '.join(VALUES)}) AS h, unix_micros(effective_date) AS s, unix_micros(end_date) AS e"
        f" FROM spark_catalog.{lake.schema}.{table} LEFT SEMI JOIN ({touched}) USING (id)"
    ).collect()
    for key, digest, start, end in rows:
        told[key].append(((digest,), start - base, None if end is None else end - base))
    wrong = sum(sorted(told[key], key=lambda v: v[1]) != versions(each) for key, each in events.items())
    total = lake.rows(f"SELECT count(*) FROM {{{table}}}")[0][0]
    print(
        f"  checked: {len(events)} keys with {len(rows)} versions, {wrong} keys wrong; {total} versions in all",
        flush=True,
    )
    if wrong:
        raise SystemExit(f"{wrong} keys are wrong")


def keep(lake: Lake, table: str) -> list[str]:
    """Where the files that wait in the incoming folder will be once they are applied."""
    return [str(lake.processed(table) / path.name) for path in sorted(lake.incoming(table).glob("*.parquet"))]


def large(bench: Bench) -> tuple[Lake, Paper, list[str]]:
    """A table of so many current rows, loaded and folded, and the paper's beside it."""
    lake = bench.lake("orders")
    write_load(bench, lake, "orders", bench.rows)
    kept, paper = keep(lake, "orders"), Paper(bench, lake, "orders")
    say(f"load of {bench.rows} rows, folding included", bench.time(lambda: take(lake)), "s")
    return lake, paper, kept


def holding_back(work: Callable[[], None]) -> float:
    """Seconds that something takes while nothing is folded that is not asked for."""
    never = {"MAX_SHARE": 10.0, "MAX_BATCHES": 10**9}
    usual = {name: getattr(fold, name) for name in never}
    started = time.perf_counter()
    try:
        for name, value in never.items():
            setattr(fold, name, value)
        work()
    finally:
        for name, value in usual.items():
            setattr(fold, name, value)
    return time.perf_counter() - started


def reads(bench: Bench, lake: Lake, when: str, moments: dict[str, float], goal: str) -> None:
    """Current rows and as-of reads, against a plain read of as many rows."""
    plain = bench.read(f"SELECT {NAMES} FROM {log_of(lake, 'orders')} WHERE __part = 'base'")
    current = f"SELECT {NAMES} FROM spark_catalog.{lake.schema}.orders_current"
    say(f"current rows, {when}, against a plain read", bench.read(current), "s", plain, goal)
    spec = spec_of(lake.pipeline(), lake.pipeline().tables[0])
    for name, moment in moments.items():
        query = held_at(bench.spark, spec, at(moment))[0]
        say(f"  as of a moment {name}", bench.read(query), "s", plain, goal)


def batches(bench: Bench) -> None:
    """50 batches of 1,000 events, folded when the engine says so; reads with as much unfolded as there ever is."""
    lake, paper, kept = large(bench)
    seconds: list[float] = []
    theirs: list[float] = []
    written, theirs_written = bench.bytes(log_of(lake, "orders")), bench.bytes(paper.name)
    for number in range(1, 51):
        write_changes(bench, lake, "orders", number, 1000, bench.rows, number * 100)
        kept += keep(lake, "orders")
        if number <= 4:  # the first warms up
            theirs.append(bench.time(paper))
        if number == 50:
            seconds.append(bench.time(lambda: take(lake, ask="now")))
        else:
            seconds.append(bench.time(lambda: take(lake)))
        if number in (fold.MAX_BATCHES - 1, 2 * fold.MAX_BATCHES - 1):
            moments = {"before what is not folded": 50.0, "within it": number * 100.0}
            reads(bench, lake, f"{number} batches, {fold.MAX_BATCHES - 1} of them not folded", moments, "")
    a = statistics.median(theirs[1:])
    say("A, a batch of 1,000 events", a, "s")
    say("a batch of 1,000 events, folding included (mean of 50)", statistics.mean(seconds), "s", a, "<= 0.08")
    say("  median batch", statistics.median(seconds), "s", a)
    say("  last batch, which folds", seconds[-1], "s", a)
    a_bytes = (bench.bytes(paper.name) - theirs_written) / 4
    ours_bytes = (bench.bytes(log_of(lake, "orders")) - written) / 50
    say("bytes a batch, folding included", ours_bytes / 1e6, "MB", a_bytes / 1e6, "<= 0.01")
    scan = bench.read(f"SELECT {NAMES} FROM {log_of(lake, 'orders')} WHERE __part IN ('base', 'recent', 'closed')")
    spec = spec_of(lake.pipeline(), lake.pipeline().tables[0])
    say("as of a moment, all folded, against one scan of the history",
        bench.read(held_at(bench.spark, spec, at(2500))[0]), "s", scan, "<= 1.1")  # fmt: skip
    check(bench, lake, "orders", kept)


def unfolded(bench: Bench) -> None:
    """Reads with 20 and 49 batches of 1,000 events not folded, which the engine would have folded."""
    lake, _, kept = large(bench)
    for number in range(1, 50):
        write_changes(bench, lake, "orders", number, 1000, bench.rows, number * 100)
        kept += keep(lake, "orders")
        holding_back(lambda: take(lake))
        if number in (20, 49):
            moments = {"before what is not folded": 50.0, "within it": number * 100.0}
            reads(bench, lake, f"{number} batches not folded", moments, "<= 1.5")
    check(bench, lake, "orders", kept)


def bulk(bench: Bench) -> None:
    """A batch of a fifth of the rows."""
    lake, paper, kept = large(bench)
    for number in (1, 2):  # the first warms up
        write_changes(bench, lake, "orders", number, bench.rows // 5, bench.rows, number * 20_000)
        kept += keep(lake, "orders")
        a = bench.time(paper)
        appended = holding_back(lambda: take(lake))
        folded = bench.time(lambda: take(lake))
    say(f"A, a batch of {bench.rows // 5} events", a, "s")
    say("until the new state can be read", appended, "s", a, "<= 0.15")
    say("until it is folded as well", appended + folded, "s", a, "<= 0.45")
    check(bench, lake, "orders", kept)


def late(bench: Bench) -> None:
    """195 events of a time that is folded already."""
    lake, paper, kept = large(bench)
    for number in (1, 2):
        write_changes(bench, lake, "orders", number, 1000, bench.rows, number * 100)
        kept += keep(lake, "orders")
        a = bench.time(paper)
        take(lake, ask="now")
    for number in (3, 4):  # the first warms up
        write_changes(bench, lake, "orders", number, 195, bench.rows, 20 + number)
        kept += keep(lake, "orders")
        ours = bench.time(lambda: take(lake))
    say("195 late events, right at once for every reader", ours, "s", a, "<= 0.3")
    check(bench, lake, "orders", kept)
    say("  merging them", bench.time(lambda: take(lake, ask="now")), "s", a)
    check(bench, lake, "orders", kept)


def many(bench: Bench) -> None:
    """20 tables of 10,000 rows, 500 events each."""
    names = [f"t{number}" for number in range(20)]
    lake = bench.lake(*names)
    papers = {}
    for name in names:
        write_load(bench, lake, name, 10_000)
        papers[name] = Paper(bench, lake, name)
    take(lake)
    for number in (1, 2):  # the first warms up
        for name in names:
            write_changes(bench, lake, name, number, 500, 10_000, number * 100)
        a = sum(bench.time(papers[name]) for name in names)
        ours = bench.time(lambda: take(lake))
    say("20 tables of 10,000 rows, 500 events each, one session", ours, "s", a, "<= 0.09")


def closed(bench: Bench) -> None:
    """A batch in order when there is ten times the closed history."""
    seconds = {}
    for times in (1, 10):
        lake = bench.lake("orders")
        rows = bench.rows // 10
        write_load(bench, lake, "orders", rows)
        for number in range(1, times + 1):
            write_changes(bench, lake, "orders", number, rows, rows, number * 10_000)
        take(lake, ask="now")
        measured = []
        for number in range(20, 26):
            write_changes(bench, lake, "orders", number, 1000, rows, 200_000 + number * 100)
            measured.append(bench.time(partial(take, lake)))
        seconds[times] = statistics.median(measured[1:])
    say("a batch of 1,000 events with 10 times the closed history", seconds[10], "s", seconds[1], "< 1.5")


PARTS = {"batches": batches, "unfolded": unfolded, "bulk": bulk, "late": late, "many": many, "closed": closed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", default=",".join(PARTS), help="a comma list of " + ", ".join(PARTS))
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="headwater-bench-"))
    try:
        bench = Bench(options.rows, folder)
        for name in options.only.split(","):
            print(f"\n{name}: {(PARTS[name].__doc__ or '').strip()}", flush=True)
            PARTS[name](bench)
        bench.spark.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
