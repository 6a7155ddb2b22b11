"""The workspace's tree of notebooks, files and folders.

Content is one file per object in `<stateDir>/workspace/<object id>`; the tree is in the store (kind "object",
key the path). `/Workspace/x` and `/x` are the same path, as on Databricks.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from .clock import now_ms
from .context import Workspace
from .errors import ApiError, exists, invalid, missing
from .principals import ADMIN, EVERYONE, is_admin, names_of
from .store import Document

NOTEBOOK_HEADERS = {
    "PYTHON": "# Databricks notebook source",
    "SQL": "-- Databricks notebook source",
    "SCALA": "// Databricks notebook source",
    "R": "# Databricks notebook source",
}
EXTENSIONS = {".py": "PYTHON", ".sql": "SQL", ".scala": "SCALA", ".r": "R"}
_ROOTS = ("/", "/Shared", "/Users", f"/Users/{ADMIN}", "/Repos")


def tree_path(path: object) -> str:
    """Normalised. Raises INVALID_PARAMETER_VALUE."""
    if not isinstance(path, str) or not path.startswith("/"):
        raise invalid(f"Path ({path}) doesn't start with '/'")
    parts = [part for part in path.split("/") if part]
    if ".." in parts or "." in parts:
        raise invalid(f"Path ({path}) must not contain '.' or '..'")
    if parts and parts[0] == "Workspace":
        parts = parts[1:]
    return "/" + "/".join(parts)


def content_file(here: Workspace, document: Document) -> Path:
    """Where an object's bytes are."""
    return here.options.state_dir / "workspace" / str(document["object_id"])


def make_roots(here: Workspace) -> None:
    """The folders every workspace has."""
    (here.options.state_dir / "workspace").mkdir(parents=True, exist_ok=True)
    for path in _ROOTS:
        if here.store.get("object", path) is None:
            _make(here, path, "DIRECTORY")


def _make(here: Workspace, path: str, object_type: str, language: str | None = None) -> Document:
    now = now_ms()
    document: Document = {
        "object_id": here.store.next_number("object", 2_000_000_001),
        "object_type": object_type,
        "path": path,
        "created_at": now,
        "modified_at": now,
    }
    if language:
        document["language"] = language
    return here.store.put("object", path, document)


def require_object(here: Workspace, path: str) -> Document:
    """The object, or Databricks' 404."""
    found = here.store.get("object", path)
    if found is None:
        raise missing(f"Path ({path}) doesn't exist.")
    return found


def make_folder(here: Workspace, path: str) -> None:
    """With its parents; no error for one that is there. Raises if a file or notebook is in the way."""
    with here.store.together():
        parts = [part for part in path.split("/") if part]
        for depth in range(1, len(parts) + 1):
            step = "/" + "/".join(parts[:depth])
            found = here.store.get("object", step)
            if found is None:
                _make(here, step, "DIRECTORY")
            elif found["object_type"] != "DIRECTORY":
                raise exists(f"Cannot create directory {path} because {step} is an existing node.")


def put_object(
    here: Workspace, path: str, body: bytes, object_type: str, language: str | None, overwrite: bool
) -> None:
    """Creates or, with `overwrite`, replaces a notebook or file. Its folder must exist."""
    parent = path.rsplit("/", 1)[0] or "/"
    with here.store.lock:
        if (here.store.get("object", parent) or {}).get("object_type") != "DIRECTORY":
            raise missing(f"The parent folder ({parent}) does not exist.")
        found = here.store.get("object", path)
        if found is not None:
            if found["object_type"] != object_type:
                raise invalid(
                    f"Cannot overwrite the asset at {path} due to type mismatch "
                    f"(asked: {object_type}, actual: {found['object_type']})"
                )
            if not overwrite:
                raise exists(f"Path ({path}) already exists.")
        else:
            found = _make(here, path, object_type, language)
        aside = content_file(here, found).with_suffix(".new")
        aside.write_bytes(body)
        aside.rename(content_file(here, found))
        found |= {"modified_at": now_ms(), "size": len(body)}
        if language:
            found["language"] = language
        here.store.put("object", path, found)


def below(here: Workspace, path: str) -> list[Document]:
    """Everything in a folder, at any depth."""
    prefix = path.rstrip("/") + "/"
    return [one for one in here.store.all("object") if one["path"].startswith(prefix) and one["path"] != "/"]


def delete_object(here: Workspace, path: str, recursive: bool) -> None:
    """Raises DIRECTORY_NOT_EMPTY for a folder with content unless recursive."""
    if path in _ROOTS:
        raise ApiError("DIRECTORY_PROTECTED", f"Folder ({path}) is protected", 400)
    with here.store.together():
        document = require_object(here, path)
        inside = below(here, path) if document["object_type"] == "DIRECTORY" else []
        if inside and not recursive:
            raise ApiError("DIRECTORY_NOT_EMPTY", f"Folder ({path}) is not empty", 400)
        for one in [*inside, document]:
            content_file(here, one).unlink(missing_ok=True)
            here.store.delete("object", one["path"])


def materialize(here: Workspace, folder: str, target: Path) -> None:
    """Copies a folder's files (not its notebooks, which Databricks does not let Python import either)."""
    prefix = folder.rstrip("/") + "/"
    for one in below(here, folder):
        relative = one["path"][len(prefix) :]
        if one["object_type"] == "DIRECTORY":
            (target / relative).mkdir(parents=True, exist_ok=True)
        elif one["object_type"] == "FILE":
            (target / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(content_file(here, one), target / relative)


def readable_by(here: Workspace, path: str, principal: str) -> bool:
    """Whether a job run as this principal may read the notebook: by an ACL on it or a folder above, in
    /Shared, or in its own home folder."""
    if is_admin(principal) or path.startswith(("/Shared/", f"/Users/{principal}/")):
        return True
    names = names_of(principal)
    step = path
    while step:
        document = here.store.get("object", step)
        if document is not None:
            kinds = {"DIRECTORY": "directories", "NOTEBOOK": "notebooks", "FILE": "files"}
            key = f"{kinds[document['object_type']]}/{document['object_id']}"
            entries = (here.store.get("permission", key) or {}).get("entries", [])
            if any(entry["principal"] in names or entry["principal"] in EVERYONE for entry in entries):
                return True
        step = step.rsplit("/", 1)[0]
    return False
