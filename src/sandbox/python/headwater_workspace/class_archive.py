"""A class-data archive of the Spark host's JVM: it starts in a third of the time and reads classes half as
long.

The JVM writes it at its end (-XX:ArchiveClassesAtExit) after a run that did what sandboxes do. It is 216 MB,
made once beside the jars, and an aid only: without it, or with another Java, the Spark host works as well.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from pyspark.sql.connect.session import SparkSession

from .options import Options
from .spark_host import CLASS_ARCHIVE, SparkHost, SparkHostError

_STATEMENTS = (
    "CREATE SCHEMA training.s",
    "CREATE TABLE training.s.t AS SELECT id, CAST(id AS STRING) v FROM range(1000)",
    "MERGE INTO training.s.t t USING (SELECT id + 500 id, 'x' v FROM range(1000)) s ON t.id = s.id "
    "WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT *",
    "INSERT INTO training.s.t SELECT id, 'z' FROM range(10)",
    "CREATE VIEW training.s.v AS "
    "SELECT v, count(*) n, row_number() OVER (ORDER BY v) r FROM training.s.t GROUP BY v",
)


def ensure_class_archive(jars: Path, progress: Callable[[str], None]) -> None:
    """Makes the archive in the folder of jars, unless it is there. A failure is told and changes nothing."""
    archive = jars / CLASS_ARCHIVE
    if archive.is_file():
        return
    progress("training the Spark host (makes its next starts faster)")
    aside = jars / f"{CLASS_ARCHIVE}.new"
    try:
        asyncio.run(_train(jars, aside))
        aside.rename(archive)
    except (SparkHostError, OSError) as error:
        progress(f"  no class archive, starts stay slower: {error}")


async def _train(jars: Path, archive: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="headwater-training-") as folder:
        options = Options(
            token="none",  # noqa: S106 - there is no API in front
            state_dir=Path(folder),
            aws_endpoint="http://127.0.0.1:9",
            aws_region="eu-west-1",
            spark_jars=jars,
        )
        host = SparkHost(options, lambda: None, lambda: None, [f"-XX:ArchiveClassesAtExit={archive}"])
        try:
            await host.start()
            assert host.url
            await asyncio.to_thread(_work, host.url, Path(folder))
        finally:
            await host.stop(120)


def _work(url: str, folder: Path) -> None:
    conf = {"spark.sql.catalog.training": "headwater.sandbox.SandboxCatalog"}
    session = SparkSession.builder.remote(url).config(map=conf).create()
    for statement in _STATEMENTS:
        session.sql(statement).collect()
    view = session.table("training.s.v").orderBy("v").limit(3)
    view.toArrow()
    view.write.parquet(f"file:{folder}/out.parquet")
    session.read.parquet(f"file:{folder}/out.parquet").selectExpr("_metadata.file_path", "*").collect()
    session.stop()
