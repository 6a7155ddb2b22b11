"""Files API on volumes: /api/2.0/fs/files and /api/2.0/fs/directories."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from ..context import Here, Workspace
from ..errors import ApiError, bad_state, exists, missing
from ..store import Document
from ..volume_files import NotFound, VolumeFiles, normalized

router = APIRouter(prefix="/api/2.0/fs", tags=["files"])


def files_of(here: Workspace) -> VolumeFiles:
    """Every volume: the API is called by the administrator."""

    def locate(volume_path: str, _write: bool) -> str:
        volume = here.store.get("volume", volume_path.removeprefix("/Volumes/").replace("/", "."))
        if volume is None:
            raise NotFound(
                f"Volume '{volume_path.removeprefix('/Volumes/').replace('/', '.')}' does not exist."
            )
        return str(volume["storage_location"])

    return VolumeFiles(here.aws.s3, locate)


def _missing(error: NotFound) -> ApiError:
    return missing(str(error), "NOT_FOUND")


def _headers(size: int, modified: int) -> dict[str, str]:
    return {
        "content-length": str(size),
        "last-modified": formatdate(modified / 1000, usegmt=True),
        "content-type": "application/octet-stream",
    }


@router.put("/files/{path:path}", status_code=204)
async def upload(here: Here, path: str, request: Request, overwrite: bool = Query(False)) -> Response:
    """Creates a file; an existing one only with `overwrite=true`."""
    body = await request.body()

    def write() -> None:
        files = files_of(here)
        try:
            if not overwrite and not files.status(path).is_directory:
                raise exists(f"The file being created already exists: {normalized(path)}", "ALREADY_EXISTS")
        except NotFound:
            pass
        try:
            files.write(path, body)
        except NotFound as error:
            raise _missing(error) from error

    await run_in_threadpool(write)
    return Response(status_code=204)


@router.get("/files/{path:path}")
def download(here: Here, path: str) -> Response:
    """A file's bytes."""
    try:
        status = files_of(here).status(path)
        if status.is_directory:
            raise NotFound(f"The file being accessed is not found: {normalized(path)}")
        return Response(files_of(here).read(path), headers=_headers(status.size, status.modified))
    except NotFound as error:
        raise _missing(error) from error


@router.head("/files/{path:path}")
def file_metadata(here: Here, path: str) -> Response:
    """Size and time in headers."""
    try:
        status = files_of(here).status(path)
    except NotFound as error:
        raise _missing(error) from error
    if status.is_directory:
        raise missing(f"The file being accessed is not found: {normalized(path)}", "NOT_FOUND")
    return Response(headers=_headers(status.size, status.modified))


@router.delete("/files/{path:path}", status_code=204)
def delete_file(here: Here, path: str) -> Response:
    """Deletes a file."""
    try:
        if files_of(here).status(path).is_directory:
            raise NotFound(f"The file being deleted is not found: {normalized(path)}")
        files_of(here).delete(path)
    except NotFound as error:
        raise _missing(error) from error
    return Response(status_code=204)


@router.put("/directories/{path:path}", status_code=204)
def create_directory(here: Here, path: str) -> Response:
    """Creates a directory; no error if it is there."""
    try:
        files_of(here).make_directory(path)
    except NotFound as error:
        raise _missing(error) from error
    return Response(status_code=204)


@router.head("/directories/{path:path}")
def directory_metadata(here: Here, path: str) -> Response:
    """Whether the directory exists."""
    try:
        status = files_of(here).status(path)
    except NotFound as error:
        raise _missing(error) from error
    if not status.is_directory:
        raise missing(f"The directory being accessed is not found: {normalized(path)}", "NOT_FOUND")
    return Response()


@router.delete("/directories/{path:path}", status_code=204)
def delete_directory(here: Here, path: str) -> Response:
    """Deletes an empty directory."""
    try:
        files_of(here).delete(path)
    except NotFound as error:
        raise _missing(error) from error
    except ValueError as error:
        raise bad_state(str(error)) from error
    return Response(status_code=204)


@router.get("/directories/{path:path}")
def list_directory(
    here: Here, path: str, page_size: int = Query(1000), page_token: str | None = Query(None)
) -> Document:
    """Entries by name, in pages."""
    try:
        if not files_of(here).status(path).is_directory:
            raise NotFound(f"The directory being accessed is not found: {normalized(path)}")
        entries = files_of(here).list(path)
    except NotFound as error:
        raise _missing(error) from error
    start = int(page_token or 0)
    size = max(1, min(page_size or 1000, 1000))
    answer: dict[str, Any] = {
        "contents": [
            {
                "path": entry.path,
                "name": entry.name.rstrip("/"),
                "is_directory": entry.is_directory,
                **({} if entry.is_directory else {"file_size": entry.size}),
                "last_modified": entry.modified,
            }
            for entry in entries[start : start + size]
        ]
    }
    if start + size < len(entries):
        answer["next_page_token"] = str(start + size)
    return answer
