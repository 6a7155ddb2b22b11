"""Fetches the Spark host's jars once: `python -m headwater_workspace.jars <folder>`.

The list, with a SHA-256 each, is `jars.lock` (Maven repository paths): Delta Lake, Hadoop's S3A and the few
modules of the AWS SDK v2 it needs instead of the 600 MB bundle. Our own catalog (`jvm/*.scala`) is compiled
beside them by the Scala compiler that pyspark carries, so a Java runtime is enough. The folder appears in one
rename, complete.
Then the Spark host runs once for training, see class_archive.py.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import maven
from .class_archive import ensure_class_archive
from .java import find_java, pyspark_jars

HERE = Path(__file__).parent
SANDBOX_JAR = "headwater-sandbox.jar"


class JarsError(Exception):
    """The jars could not be had; the message says which, from where and what to do."""


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def locked_jars() -> list[tuple[str, str]]:
    """(sha256, Maven path) of every jar to fetch."""
    lines = (HERE / "jars.lock").read_text().splitlines()
    return [(line.split()[0], line.split()[1]) for line in lines if line.strip()]


def digest() -> str:
    """Changes whenever the folder's content would: the lock file and our Scala sources."""
    content = hashlib.sha256((HERE / "jars.lock").read_bytes())
    for source in sorted((HERE / "jvm").glob("*.scala")):
        content.update(source.read_bytes())
    return content.hexdigest()


def _fetch(base: str, path: str, sha256: str, into: Path, before: Path) -> int:
    """Bytes of the jar, now in `into`; taken from `before`, the folder to be replaced, if it is there
    unchanged.
    """
    kept = before / Path(path).name
    if kept.is_file() and hashlib.sha256(kept.read_bytes()).hexdigest() == sha256:
        shutil.copyfile(kept, into / kept.name)
        return kept.stat().st_size
    return (into / kept.name).write_bytes(maven.fetch(base, path, sha256))


def _compile(into: Path) -> None:
    sources = sorted(str(source) for source in (HERE / "jvm").glob("*.scala"))
    command = [
        str(find_java()),
        "-Xss8m",
        "-XX:-UsePerfData",
        "-cp",
        f"{pyspark_jars()}/*",
        "scala.tools.nsc.Main",
    ]
    command += ["-usejavacp", "-nobootcp", "-nowarn", "-d", str(into / SANDBOX_JAR), *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise JarsError(f"scalac failed on {HERE / 'jvm'}:\n{done.stdout}{done.stderr}")


def ensure_jars(folder: Path) -> Path:
    """Makes `folder` hold the jars if it does not yet; returns it. Raises JarsError."""
    stamp = folder / "DIGEST"
    if stamp.is_file() and stamp.read_text() == digest():
        return folder
    base = maven.repository()
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        jars = locked_jars()
        _progress(f"fetching {len(jars)} jars (23 MB) from {base}")
        with ThreadPoolExecutor(6) as pool:
            sizes = pool.map(lambda jar: _fetch(base, jar[1], jar[0], aside, folder), jars)
            total = 0
            for number, size in enumerate(sizes, 1):
                total += size
                if number % 10 == 0 or number == len(jars):
                    _progress(f"  {number}/{len(jars)} jars, {total / 1e6:.1f} MB")
        _progress("compiling the sandbox's catalog")
        _compile(aside)
        (aside / "DIGEST").write_text(digest())
        _publish(aside, folder, stamp)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _publish(aside: Path, folder: Path, stamp: Path) -> None:
    aside.chmod(0o755)
    try:
        aside.rename(folder)
    except OSError:
        if stamp.is_file() and stamp.read_text() == digest():
            return  # another process was first
        old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
        folder.rename(old / "was")
        aside.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def main(arguments: list[str]) -> int:
    """Command line: one argument, the folder."""
    if len(arguments) != 1:
        _progress("usage: python -m headwater_workspace.jars <folder>")
        return 2
    try:
        folder = ensure_jars(Path(arguments[0]).absolute())
        ensure_class_archive(folder, _progress)
    except (JarsError, maven.MavenError, OSError, RuntimeError) as error:
        _progress(f"jars: {error}")
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
