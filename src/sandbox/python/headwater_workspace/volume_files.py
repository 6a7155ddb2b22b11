"""Files of volumes, on S3: used by the Files API and, in a run's own process, by dbutils.fs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from .aws import S3Url


class NotFound(Exception):
    """No such file, directory or volume."""


class NotAllowed(Exception):
    """The principal may not do this, or the volume is none of its own."""


@dataclass(frozen=True)
class Entry:
    """A file or directory. `path` is /Volumes/...; `modified` in milliseconds, 0 for a directory."""

    path: str
    size: int
    modified: int
    is_directory: bool

    @property
    def name(self) -> str:
        """The last component; a directory's has a trailing slash, as dbutils shows it."""
        return self.path.rstrip("/").rsplit("/", 1)[-1] + ("/" if self.is_directory else "")


def normalized(path: str) -> str:
    """/Volumes/catalog/schema/volume/... without scheme, doubled or trailing slashes. Raises NotFound for
    others.
    """
    for scheme in ("dbfs:", "file:"):
        if path.startswith(scheme):
            path = path[len(scheme) :]
    parts = [part for part in path.split("/") if part]
    if ".." in parts or "." in parts:
        raise NotFound(f"Invalid path: {path}")
    if len(parts) < 4 or parts[0] != "Volumes":
        raise NotFound(
            f"Path must be absolute and within a volume (/Volumes/<catalog>/<schema>/<volume>/...): {path}"
        )
    return "/" + "/".join(["Volumes", *(part.lower() for part in parts[1:4]), *parts[4:]])


class VolumeFiles:
    """`locate` gives a volume's storage URL by its path (/Volumes/c/s/v) or raises NotFound or NotAllowed."""

    def __init__(self, s3: Any, locate: Callable[[str, bool], str]) -> None:
        self._s3 = s3
        self._locate = locate

    def place(self, path: str, write: bool = False) -> S3Url:
        """The S3 place of a path."""
        path = normalized(path)
        parts = path.split("/")
        root = S3Url.parse(self._locate("/".join(parts[:5]), write))
        return S3Url(root.bucket, root.key("/".join(parts[5:])))

    def status(self, path: str) -> Entry:
        """Raises NotFound."""
        place = self.place(path)
        path = normalized(path)
        if place.prefix:
            try:
                head = self._s3.head_object(Bucket=place.bucket, Key=place.prefix)
                return Entry(path, head["ContentLength"], int(head["LastModified"].timestamp() * 1000), False)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                    raise
        is_root = len(path.split("/")) == 5
        found = self._s3.list_objects_v2(Bucket=place.bucket, Prefix=place.folder, MaxKeys=1)
        if not is_root and not found.get("KeyCount"):
            raise NotFound(f"No such file or directory: {path}")
        return Entry(path, 0, 0, True)

    def list(self, path: str) -> list[Entry]:
        """A directory's entries by name; of a file, the file itself. Raises NotFound."""
        status = self.status(path)
        if not status.is_directory:
            return [status]
        place, base = self.place(path), normalized(path)
        entries: list[Entry] = []
        for page in self._pages(place, delimiter="/"):
            for one in page.get("CommonPrefixes", []):
                name = one["Prefix"][len(place.folder) :].rstrip("/")
                entries.append(Entry(f"{base}/{name}", 0, 0, True))
            for one in page.get("Contents", []):
                name = one["Key"][len(place.folder) :]
                if name:
                    modified = int(one["LastModified"].timestamp() * 1000)
                    entries.append(Entry(f"{base}/{name}", one["Size"], modified, False))
        return sorted(entries, key=lambda entry: entry.path)

    def walk(self, path: str) -> Iterator[tuple[str, str, int]]:
        """(key, path relative to `path`, size) of every object below."""
        place = self.place(path)
        for page in self._pages(place):
            for one in page.get("Contents", []):
                yield one["Key"], one["Key"][len(place.folder) :], one["Size"]

    def _pages(self, place: S3Url, delimiter: str = "") -> Any:
        arguments = {"Bucket": place.bucket, "Prefix": place.folder}
        if delimiter:
            arguments["Delimiter"] = delimiter
        return self._s3.get_paginator("list_objects_v2").paginate(**arguments)

    def read(self, path: str, limit: int | None = None) -> bytes:
        """A file's bytes, or its first `limit`. Raises NotFound."""
        place = self.place(path)
        extra = {"Range": f"bytes=0-{limit - 1}"} if limit else {}
        try:
            body: bytes = self._s3.get_object(Bucket=place.bucket, Key=place.prefix, **extra)["Body"].read()
            return body
        except ClientError as error:
            if error.response["Error"]["Code"] == "InvalidRange":  # an empty file has no first byte
                return b""
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                raise NotFound(f"No such file or directory: {normalized(path)}") from error
            raise

    def write(self, path: str, body: bytes) -> None:
        """Creates or replaces a file."""
        place = self.place(path, write=True)
        self._s3.put_object(Bucket=place.bucket, Key=place.prefix, Body=body)

    def make_directory(self, path: str) -> None:
        """S3 has none: an empty object whose key ends in a slash stands for it."""
        place = self.place(path, write=True)
        if place.prefix:
            self._s3.put_object(Bucket=place.bucket, Key=place.folder, Body=b"")

    def delete(self, path: str, recursive: bool = False) -> None:
        """A file, or a directory with everything below it. Raises NotFound; ValueError for a non-empty
        directory.
        """
        place = self.place(path, write=True)
        status = self.status(path)
        if not status.is_directory:
            self._s3.delete_object(Bucket=place.bucket, Key=place.prefix)
            return
        objects = list(self.walk(path))
        if not recursive and any(relative for _key, relative, _size in objects):
            raise ValueError(f"Directory is not empty: {normalized(path)}")
        for key, _relative, _size in objects:
            self._s3.delete_object(Bucket=place.bucket, Key=key)

    def copy(self, source: str, target: str, recursive: bool = False, move: bool = False) -> None:
        """Copies or moves a file (into a directory that exists, if the target is one) or, recursively, a
        directory.
        """
        status = self.status(source)
        into = self.place(target, write=True)
        if move:
            self.place(source, write=True)  # the right to delete there
        if status.is_directory:
            if not recursive:
                raise ValueError(
                    f"Cannot copy or move a directory unless recurse is set to true: {normalized(source)}"
                )
            from_bucket = self.place(source).bucket
            pairs = [(key, into.key(relative)) for key, relative, _size in self.walk(source) if relative]
        else:
            place = self.place(source)
            from_bucket = place.bucket
            directory = target.endswith("/") or self._is_directory(target)
            pairs = [(place.prefix, into.key(status.name) if directory else into.prefix)]
        for from_key, to_key in pairs:
            if (from_bucket, from_key) == (into.bucket, to_key):
                continue
            self._s3.copy_object(
                Bucket=into.bucket, Key=to_key, CopySource={"Bucket": from_bucket, "Key": from_key}
            )
            if move:
                self._s3.delete_object(Bucket=from_bucket, Key=from_key)

    def _is_directory(self, path: str) -> bool:
        try:
            return self.status(path).is_directory
        except NotFound:
            return False
