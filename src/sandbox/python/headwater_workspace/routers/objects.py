"""Workspace API: /api/2.0/workspace and /api/2.0/workspace-files."""

from __future__ import annotations

import base64
import binascii
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from .. import workspace_objects as objects
from ..context import Here, Workspace
from ..errors import invalid, missing, unsupported
from ..store import Document

router = APIRouter(prefix="/api/2.0", tags=["workspace"])


def _is_notebook(body: bytes, language: str) -> bool:
    return body.startswith(objects.NOTEBOOK_HEADERS[language].encode())


def import_content(
    here: Workspace, path: str, body: bytes, form: str, language: str | None, overwrite: bool
) -> None:
    """What /workspace/import does with a path and bytes, by format."""
    path = objects.tree_path(path)
    if form in ("DBC", "HTML", "JUPYTER", "R_MARKDOWN"):
        raise unsupported(f"The sandbox imports SOURCE, AUTO and RAW; it does not read the format {form}")
    if form not in ("SOURCE", "AUTO", "RAW"):
        raise invalid(f"Invalid format '{form}'")
    extension = PurePosixPath(path).suffix.lower()
    by_extension = objects.EXTENSIONS.get(extension)
    if form == "RAW":
        objects.put_object(here, path, body, "FILE", None, overwrite)
    elif form == "AUTO" and not (by_extension and _is_notebook(body, by_extension)):
        if extension == ".ipynb":
            raise unsupported("The sandbox does not read Jupyter notebooks; import Databricks source (.py)")
        objects.put_object(here, path, body, "FILE", None, overwrite)
    elif form == "AUTO":
        objects.put_object(here, path[: -len(extension)], body, "NOTEBOOK", by_extension, overwrite)
    else:
        language = (language or "").upper() or by_extension
        if language not in objects.NOTEBOOK_HEADERS:
            raise invalid(f"Invalid or missing language '{language or ''}' for format SOURCE")
        objects.put_object(here, path, body, "NOTEBOOK", language, overwrite)


@router.post("/workspace/import")
async def import_object(here: Here, request: Request) -> Document:
    """JSON with base64 content, or a multipart form as the SDK's `workspace.upload` sends it."""
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        form = await request.form()
        part = form.get("content")
        body = await part.read() if isinstance(part, UploadFile) else str(part or "").encode()
        fields: dict[str, Any] = {key: value for key, value in form.items() if isinstance(value, str)}
        overwrite = str(fields.get("overwrite", "")).lower() == "true"
    else:
        fields = await request.json()
        try:
            body = base64.b64decode(fields.get("content") or "", validate=True)
        except binascii.Error as error:
            raise invalid(f"Content is not base64: {error}") from error
        overwrite = bool(fields.get("overwrite"))
    form_name = str(fields.get("format") or "SOURCE").upper()
    await run_in_threadpool(
        import_content, here, fields.get("path", ""), body, form_name, fields.get("language"), overwrite
    )
    return {}


@router.post("/workspace-files/import-file/{path:path}")
async def import_file(here: Here, path: str, request: Request, overwrite: bool = Query(False)) -> Document:
    """A file as raw bytes; .py with a notebook header becomes a notebook, as with AUTO."""
    body = await request.body()
    await run_in_threadpool(
        import_content, here, "/" + unquote(path).lstrip("/"), body, "AUTO", None, overwrite
    )
    return {}


def _bytes(here: Workspace, path: str) -> tuple[Document, bytes]:
    document = objects.require_object(here, objects.tree_path(path))
    if document["object_type"] == "DIRECTORY":
        raise unsupported("The sandbox does not export folders")
    body = objects.content_file(here, document).read_bytes()
    if document["object_type"] == "NOTEBOOK":
        header = objects.NOTEBOOK_HEADERS[document["language"]].encode()
        if not body.startswith(header):
            body = header + b"\n" + body
    return document, body


@router.get("/workspace/export")
def export(
    here: Here, path: str = Query(...), format: str = Query("SOURCE"), direct_download: bool = Query(False)
) -> Response:
    """A notebook's source or a file's bytes."""
    if format.upper() not in ("SOURCE", "AUTO", "RAW"):
        raise unsupported(f"The sandbox exports SOURCE, AUTO and RAW; it does not write the format {format}")
    document, body = _bytes(here, path)
    if direct_download:
        return Response(body, media_type="application/octet-stream")
    endings = {language: ending.lstrip(".") for ending, language in objects.EXTENSIONS.items()}
    file_type = endings.get(document.get("language", "")) or PurePosixPath(document["path"]).suffix.lstrip(
        "."
    )
    from fastapi.responses import JSONResponse

    return JSONResponse({"content": base64.b64encode(body).decode(), "file_type": file_type})


@router.get("/workspace-files/{path:path}")
def read_file(here: Here, path: str) -> Response:
    """A file's bytes."""
    return Response(_bytes(here, "/" + path.lstrip("/"))[1], media_type="application/octet-stream")


def _status(document: Document) -> Document:
    return document | {"resource_id": str(document["object_id"])}


@router.get("/workspace/get-status")
def get_status(here: Here, path: str = Query(...)) -> Document:
    """What is at a path."""
    return _status(objects.require_object(here, objects.tree_path(path)))


@router.get("/workspace/list")
def list_folder(here: Here, path: str = Query(...)) -> Document:
    """A folder's entries; of anything else, itself."""
    path = objects.tree_path(path)
    document = objects.require_object(here, path)
    if document["object_type"] != "DIRECTORY":
        return {"objects": [_status(document)]}
    depth = len([part for part in path.split("/") if part]) + 1
    entries = [one for one in objects.below(here, path) if len(one["path"].split("/")) - 1 == depth]
    return {"objects": [_status(one) for one in entries]} if entries else {}


@router.post("/workspace/mkdirs")
def mkdirs(here: Here, body: dict[str, Any]) -> Document:
    """A folder with its parents."""
    objects.make_folder(here, objects.tree_path(body.get("path")))
    return {}


@router.post("/workspace/delete")
def delete(here: Here, body: dict[str, Any]) -> Document:
    """An object, or a folder."""
    if not body.get("path"):
        raise missing("Missing required field: path")
    objects.delete_object(here, objects.tree_path(body["path"]), bool(body.get("recursive")))
    return {}
