"""The export into a real PostgreSQL against the paper's way of it, side by side in one run.

`npm run bench:export [-- --rows 1000000]` writes the same rows of a Delta table into an empty table in four ways, and checks
that all hold the same: by pages of 1,000 INSERT ... ON CONFLICT (A, the paper's), by the modes upsert and replace, and by a COPY
of a prepared text file, which nothing beats. What to compare is a ratio of one run: absolute times are this machine's.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import warnings
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "notebooks"), str(ROOT / "test" / "notebooks")]

from conftest import free_port
from exporting import EXPORTER, push, target
from headwater_history import tables
from headwater_history.names import spec_of
from headwater_history.postgresql import PostgreSql
from headwater_history.rows import chunks
from headwater_history.wanted import Wanted
from history import COLUMNS, Bench, say, take, write_load
from postgres_server import Server, running

PAGE, TIMES = 1000, 3
NAMES = ", ".join(COLUMNS)


class Ways:
    def __init__(self, bench: Bench, server: Server) -> None:
        self.bench, self.server, self.lake = bench, server, bench.lake("orders")
        write_load(bench, self.lake, "orders", bench.rows)
        take(self.lake)
        pipeline = self.lake.pipeline(export=target(server))
        spec = spec_of(pipeline, pipeline.tables[0])
        assert pipeline.export
        columns = tables.stored_columns(bench.spark, spec)
        self.rows = bench.spark.table(spec.name("_current"))
        like = PostgreSql(None, Wanted(pipeline.export, "orders", "bench", columns, spec.keys))
        self.empty = f"DROP TABLE IF EXISTS shop.orders; CREATE TABLE shop.orders ({like.body(key=True)})"
        self.prepared = bench.folder / "orders.txt"
        with self.prepared.open("wb") as file:
            for chunk in chunks(self.rows.selectExpr(like.texts(False)), 1 << 20):
                file.write(chunk.text)

    def paper(self) -> None:
        others = ", ".join(f"{name} = EXCLUDED.{name}" for name in COLUMNS[1:])
        insert = f"INSERT INTO shop.orders ({NAMES}) VALUES ({', '.join(['%s'] * len(COLUMNS))}) ON CONFLICT (id) DO UPDATE SET {others}"
        with self.server.connect(autocommit=False) as connection, connection.cursor() as cursor:
            rows = map(tuple, self.rows.toLocalIterator(prefetchPartitions=True))
            while page := list(islice(rows, PAGE)):
                cursor.executemany(insert, page)

    def copy(self) -> None:
        with (
            self.server.connect(autocommit=False) as connection, connection.cursor() as cursor,
            cursor.copy(f"COPY shop.orders ({NAMES}) FROM STDIN") as copy, self.prepared.open("rb") as file,
        ):  # fmt: skip
            while piece := file.read(1 << 20):
                copy.write(piece)

    def measure(self, way: str) -> float:
        """Seconds of a way, the median of a few (A, which takes long, runs once); checked."""
        seconds: list[float] = []
        for _ in range(1 if way == "paper" else TIMES):
            own = way in ("paper", "copy")
            self.server.execute(self.empty if own else "DROP TABLE IF EXISTS shop.orders")
            work = getattr(self, way) if own else lambda: push(self.lake, self.server, mode=way)
            seconds.append(self.bench.time(work))
        self.check(way)
        return statistics.median(seconds)

    def check(self, way: str) -> None:
        digest = f"count(*), sum(hashtextextended(row({NAMES})::text, 0)::numeric)"
        self.server.execute(f"CREATE TABLE IF NOT EXISTS shop.first AS SELECT {digest} FROM shop.orders")
        first, here = self.server.query(f"SELECT * FROM shop.first UNION ALL SELECT {digest} FROM shop.orders")
        assert first == here and here[0] == self.bench.rows, f"{way}: {here}, not {first}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="headwater-bench-"))
    try:
        warnings.filterwarnings("ignore", "Failed to set")  # what a server takes at its start only, and has by then
        bench = Bench(options.rows, folder, connect=True)  # as a notebook on serverless compute has it
        with running(free_port()) as server:
            server.execute(f"CREATE SCHEMA shop; GRANT USAGE, CREATE ON SCHEMA shop TO {EXPORTER}")
            ways = Ways(bench, server)
            push(ways.lake, server)  # warms up
            seconds = {way: ways.measure(way) for way in ("upsert", "replace", "copy", "paper")}
        a, best = seconds["paper"], seconds["copy"]
        say(f"A, {options.rows} rows", a, "s")
        for way, goal in (("upsert", 2.5), ("replace", 3.5)):
            say(way, seconds[way], "s", a, f"<= {1 / goal:.3f}")
        say("a COPY of a prepared file", best, "s")
        say("replace, of the speed of that", best / seconds["replace"], "", goal=">= 0.6")
        bench.spark.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
