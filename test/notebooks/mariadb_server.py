"""A MariaDB of the tests' own, from the binaries that test/prepare.ts fetches."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from exporting import EXPORTER, PASSWORD

ADMIN = "admin"
_TEXT = PASSWORD.replace("\\", "\\\\").replace("'", "''")


@dataclass(frozen=True)
class Server:
    port: int
    kind = "mariadb"
    database = "shop"
    schema = "shop"

    def query(self, text: str) -> list[tuple[Any, ...]]:
        """As a user who may do everything; commits each statement."""
        with closing(
            pymysql.connect(host="127.0.0.1", port=self.port, user=ADMIN, autocommit=True, charset="utf8mb4")
        ) as connection:
            cursor = connection.cursor()
            cursor.execute(text)
            return list(cursor.fetchall())

    execute = query


@contextmanager
def running(binaries: Path, port: int, flags: Sequence[str] = ()) -> Iterator[Server]:
    """A server with a user EXPORTER, who may do what the export needs in the database `shop`; `flags` are added to its
    command line."""
    folder = Path(tempfile.mkdtemp(prefix="headwater-mariadb-", dir="/var/tmp"))
    start: list[str | Path] = [
        binaries / "bin" / "mariadbd", "--no-defaults", f"--datadir={folder}/data", f"--basedir={binaries}",
        f"--lc-messages-dir={binaries}/share", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M",
        "--innodb-flush-log-at-trx-commit=0", *(["--user=root"] if os.geteuid() == 0 else []),
    ]  # fmt: skip
    try:
        (folder / "data").mkdir()
        system = ["CREATE DATABASE mysql;\nUSE mysql;\n"]
        system += [
            (binaries / "share" / f"mariadb_system_tables{end}.sql").read_text() for end in ("", "_data")
        ]
        subprocess.run(
            [*start, "--bootstrap"], input="".join(system), text=True, check=True, capture_output=True
        )
        (folder / "init.sql").write_text(
            # A statement a line.
            f"CREATE USER {ADMIN}@'%';\n"
            f"GRANT ALL ON *.* TO {ADMIN}@'%' WITH GRANT OPTION;\n"
            f"CREATE USER {EXPORTER}@'%' IDENTIFIED BY '{_TEXT}';\n"
            "CREATE DATABASE shop;\n"
            "GRANT CREATE, ALTER, DROP, SELECT, INSERT, UPDATE, DELETE, CREATE TEMPORARY TABLES"
            f" ON shop.* TO {EXPORTER}@'%';\n"
        )
        with (folder / "log").open("w") as log:
            options = [
                f"--port={port}",
                "--bind-address=127.0.0.1",
                f"--socket={folder}/socket",
                "--skip-name-resolve",
                *flags,
            ]
            server = subprocess.Popen(
                [*start, *options, f"--init-file={folder}/init.sql"], stdout=log, stderr=log
            )
        try:
            target = Server(port)
            _wait(target, server, folder / "log")
            yield target
        finally:
            server.terminate()
            server.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(target: Server, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        try:
            target.query("SELECT 1")
            return
        except pymysql.MySQLError:
            assert server.poll() is None, log.read_text()[-4000:]
            time.sleep(0.1)
    raise AssertionError(log.read_text()[-4000:])


if __name__ == "__main__":
    # `python mariadb_server.py <binaries> <port> <flags>`: until standard input ends, so that it outlives nobody.
    with running(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]) as server:
        print(server.port, flush=True)
        sys.stdin.read()
