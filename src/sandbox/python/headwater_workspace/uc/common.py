"""What Unity Catalog's routers share: names, places, and fields every object carries."""

from __future__ import annotations

import re
import uuid
from typing import Any

from ..aws import S3Url
from ..clock import now_ms
from ..context import Workspace
from ..errors import ApiError, invalid, missing
from ..principals import ADMIN
from ..store import Document

PREFIX = "/api/2.1/unity-catalog"
METASTORE_ID = "8d3e1a52-5c1f-4c1b-9a53-1f0f5b7c2d11"
METASTORE_NAME = "headwater-sandbox"
WORKSPACE_ID = 1234567890123456

# kind in the store -> (how Databricks calls it in messages, prefix of its error codes)
KINDS = {
    "credential": ("Storage credential", "STORAGE_CREDENTIAL"),
    "location": ("External Location", "EXTERNAL_LOCATION"),
    "catalog": ("Catalog", "CATALOG"),
    "schema": ("Schema", "SCHEMA"),
    "volume": ("Volume", "VOLUME"),
}
_NAME = re.compile(r"[A-Za-z0-9_]+")
_LOOSE_NAME = re.compile(r"[^\s./\x00-\x1f\x7f]{1,255}")


def metastore_root(here: Workspace) -> S3Url:
    """Where managed volumes go that no catalog or schema gives a place for. The bucket is made when first
    needed.
    """
    return S3Url(f"headwater-metastore-{here.options.aws_region}", "")


def checked_name(name: Any, what: str, strict: bool = True) -> str:
    """A name in lower case, as Unity Catalog keeps it. Raises INVALID_PARAMETER_VALUE.

    `strict` objects become Spark names: there the sandbox takes letters, digits and underscores, Databricks
    more.
    """
    if not isinstance(name, str) or not _LOOSE_NAME.fullmatch(name):
        raise invalid(
            f"Invalid {what} name {name!r}: it must not be empty or hold spaces, periods or slashes"
        )
    if strict and not _NAME.fullmatch(name):
        raise invalid(f"Invalid {what} name '{name}': the sandbox takes letters, digits and underscores only")
    return name.lower()


def checked_url(url: Any) -> S3Url:
    """An S3 URL. Raises INVALID_PARAMETER_VALUE."""
    if not isinstance(url, str) or not url:
        raise invalid("Missing required field: url")
    try:
        place = S3Url.parse(url)
    except ValueError as error:
        raise invalid(f"Invalid url: {error}") from error
    if "." in place.bucket or not url.isascii():
        raise invalid(
            f"Invalid url '{url}': bucket names with dots and paths outside ASCII are not supported"
        )
    return place


def require(here: Workspace, kind: str, name: str) -> Document:
    """The object, or Databricks' 404."""
    found = here.store.get(kind, name.lower())
    if found is None:
        label, code = KINDS[kind]
        raise missing(f"{label} '{name}' does not exist.", f"{code}_DOES_NOT_EXIST")
    return found


def refuse_existing(here: Workspace, kind: str, name: str) -> None:
    """Raises Databricks' error if the name is taken."""
    if here.store.get(kind, name) is not None:
        label, code = KINDS[kind]
        raise ApiError(f"{code}_ALREADY_EXISTS", f"{label} '{name}' already exists", 400)


def created() -> Document:
    """The audit fields of a new object."""
    now = now_ms()
    return {
        "owner": ADMIN,
        "metastore_id": METASTORE_ID,
        "created_at": now,
        "created_by": ADMIN,
        "updated_at": now,
        "updated_by": ADMIN,
    }


def touched(document: Document, changes: dict[str, Any], allowed: tuple[str, ...]) -> Document:
    """The document with those of the changes that were sent (None = not sent), as an update leaves it."""
    merged = document | {key: changes[key] for key in allowed if changes.get(key) is not None}
    return merged | {"updated_at": now_ms(), "updated_by": ADMIN}


def new_id() -> str:
    """A UUID."""
    return str(uuid.uuid4())


def public(document: Document) -> Document:
    """Without empty fields and what only the sandbox needs to know (keys that start with an underscore)."""
    return {key: value for key, value in document.items() if value is not None and not key.startswith("_")}


def location_of(here: Workspace, place: S3Url) -> Document | None:
    """The external location a place is in."""
    return next((one for one in here.store.all("location") if S3Url.parse(one["url"]).contains(place)), None)


def require_location(here: Workspace, place: S3Url) -> Document:
    """The external location a place is in, or Databricks' error."""
    found = location_of(here, place)
    if found is None:
        raise missing(
            f"No parent external location found for path '{place}'", "EXTERNAL_LOCATION_DOES_NOT_EXIST"
        )
    return found


def managed_roots(here: Workspace) -> list[tuple[str, S3Url]]:
    """Where catalogs and schemas keep managed storage: (name, place)."""
    return [
        (one["full_name"], S3Url.parse(one["storage_root"]))
        for kind in ("catalog", "schema")
        for one in here.store.all(kind)
        if one.get("storage_root")
    ]
