"""The files of an incoming volume: listing them, and where they go when their changes are in the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class File:
    """`path` as Spark reads it; `relative` to the table's incoming folder; `modified` in milliseconds since 1970."""

    path: str
    relative: str
    size: int
    modified: int


class Files(Protocol):
    """What the library needs of a file system. Folders are given without a trailing slash."""

    def list(self, folder: str) -> list[File]:
        """Every file below the folder, at any depth; none when there is no such folder."""

    def exists(self, path: str) -> bool:
        """Whether there is a file of this path."""

    def read(self, path: str) -> str:
        """A small file's text."""

    def move(self, source: str, target: str) -> None:
        """Moves a file, makes the folders it needs and replaces what was there."""


class DbutilsFiles:
    """Volumes through `dbutils.fs`, the one interface that is the same on classic and serverless compute."""

    def __init__(self, dbutils: Any) -> None:
        self.fs = dbutils.fs

    def list(self, folder: str) -> list[File]:
        return list(self._walk(folder, "", self._ls(folder)))

    def exists(self, path: str) -> bool:
        return bool(self._ls(path))

    def _ls(self, path: str) -> list[Any]:
        """What is there, or nothing: a volume's folder does not exist until DMS writes the table's first row."""
        try:
            return list(self.fs.ls(path))
        except (
            Exception
        ) as error:  # the JVM's FileNotFoundException has a Python class of its own on each compute
            if "FileNotFound" in f"{type(error).__name__} {error}" or "No such file or directory" in str(
                error
            ):
                return []
            raise

    def _walk(self, folder: str, prefix: str, entries: Iterable[Any]) -> Iterable[File]:
        for entry in entries:
            name = entry.name.rstrip("/")
            path = f"{folder}/{name}"
            if entry.name.endswith("/"):
                yield from self._walk(path, f"{prefix}{name}/", self.fs.ls(path))
            else:
                yield File(path, prefix + name, int(entry.size), int(entry.modificationTime))

    def read(self, path: str) -> str:
        return str(self.fs.head(path, 65_536))

    def move(self, source: str, target: str) -> None:
        self.fs.mkdirs(target.rpartition("/")[0])
        self.fs.mv(source, target)


def new_files(listed: Iterable[File]) -> list[File]:
    """The files to apply, in the order of their names. Names that begin with `_` or `.` are hidden, as in Spark."""
    visible = [file for file in listed if not any(part[0] in "_." for part in file.relative.split("/"))]
    return sorted(visible, key=lambda file: file.relative)


def place_for(files: Files, file: File, folder: str) -> str:
    """Where a file goes. A name that is taken (a reload writes LOAD00000001 again) gets the file's own time, so that
    nothing is overwritten but a copy that an interrupted move of this very file left."""
    plain = f"{folder}/{file.relative}"
    if not files.exists(plain):
        return plain
    stem, dot, extension = file.relative.rpartition(".")
    return f"{folder}/{stem}-{file.modified}.{extension}" if dot else f"{plain}-{file.modified}"


def move_all(
    files: Files, incoming: str, moves: list[tuple[File, str]], moved: Callable[[File], None]
) -> list[File]:
    """Moves files, each into the folder beside it, when all that they hold is safe in the tables. Returns those left
    for the next run: they were written again since they were listed, and so hold rows that nobody has read."""
    if not moves:
        return []
    now = {file.relative: file for file in files.list(incoming)}
    unchanged = [(file, folder) for file, folder in moves if now.get(file.relative) == file]

    def move(entry: tuple[File, str]) -> None:
        file, folder = entry
        files.move(file.path, place_for(files, file, folder))
        moved(file)

    with ThreadPoolExecutor(max_workers=8) as pool:  # each move is a copy and a delete on the object store
        list(pool.map(move, unchanged))
    return [file for file, _ in moves if file.relative in now and now[file.relative] != file]
