"""One Spark Connect server for all tests, started with the first that needs it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent.parent / "notebooks"), str(HERE)]

from pyspark.sql import SparkSession

import mariadb_server
import postgres_server
from exporting import EXPORTER, Server
from support import Lake


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first: those that need no Spark."""
    items.sort(key=lambda item: "remote" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running Spark Connect server, all of whose files are in one folder."""
    folder = tmp_path_factory.mktemp("spark")
    port = str(free_port())
    os.environ.pop("SPARK_REMOTE", None)
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, str(HERE / "spark_server.py"), port, str(folder)], env={**os.environ, "TMPDIR": str(folder)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder,
        )  # fmt: skip
        try:
            assert server.stdout is not None
            if server.stdout.readline().strip() != "ready":
                pytest.exit(f"Spark did not start:\n{(folder / 'log').read_text()[-4000:]}", 1)
            yield f"sc://127.0.0.1:{port}"
        finally:
            assert server.stdin is not None
            server.stdin.close()
            try:
                server.wait(timeout=30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def spark(remote: str) -> Iterator[SparkSession]:
    session = SparkSession.builder.remote(remote).getOrCreate()
    yield session
    session.stop()


@pytest.fixture
def make_lake(spark: SparkSession, tmp_path: Path) -> Iterator[Callable[..., Lake]]:
    """Makes lakes: `make_lake(customers=["id"])`; their schemas are dropped after the test."""
    made: list[Lake] = []

    def make(history_columns: str = "paper", **tables: list[str]) -> Lake:
        name = f"t_{uuid.uuid4().hex[:12]}"
        made.append(Lake(spark, name, tmp_path / name, tables or {"customers": ["id"]}, history_columns))
        return made[-1]

    yield make
    for lake in made:
        spark.sql(f"DROP SCHEMA spark_catalog.{lake.schema} CASCADE")


@pytest.fixture(scope="session")
def server() -> Iterator[postgres_server.Server]:
    with postgres_server.running(free_port()) as target:
        yield target


@pytest.fixture
def shop(server: postgres_server.Server) -> Iterator[postgres_server.Server]:
    """The target's schema `shop`, empty, in which the export's user may create and no more."""
    server.execute("DROP SCHEMA IF EXISTS shop CASCADE")
    server.execute(f"CREATE SCHEMA shop; GRANT USAGE, CREATE ON SCHEMA shop TO {EXPORTER}")
    yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[mariadb_server.Server]:
    binaries = os.environ.get("HEADWATER_MARIADB")
    if not binaries:
        pytest.skip("HEADWATER_MARIADB names no binaries; npm run test:python sets it")
    with mariadb_server.running(Path(binaries), free_port()) as target:
        yield target


@pytest.fixture
def maria(mariadb: mariadb_server.Server) -> Iterator[mariadb_server.Server]:
    """The same in a MariaDB."""
    mariadb.execute("DROP DATABASE shop")
    mariadb.execute("CREATE DATABASE shop")
    yield mariadb


@pytest.fixture(params=["shop", "maria"], ids=["postgresql", "mariadb"])
def database(request: pytest.FixtureRequest) -> Server:
    """Each of the databases that can run here."""
    server: Server = request.getfixturevalue(request.param)
    return server
