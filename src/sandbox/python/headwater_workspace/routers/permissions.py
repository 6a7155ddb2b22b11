"""Permissions API: /api/2.0/permissions/{objects}/{id}.

Enforced by the sandbox: whether a job's principal may read its notebook (workspace_objects.readable_by).
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from .. import principals
from ..context import Here, Workspace
from ..errors import invalid, missing, unsupported
from ..store import Document

router = APIRouter(prefix="/api/2.0/permissions", tags=["permissions"])

_FILE_LEVELS = ("CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE")
# Path segment -> (object_type in answers, levels).
_TYPES = {
    "jobs": ("job", ("CAN_VIEW", "CAN_MANAGE_RUN", "IS_OWNER", "CAN_MANAGE")),
    "notebooks": ("notebook", _FILE_LEVELS),
    "directories": ("directory", _FILE_LEVELS),
    "files": ("file", _FILE_LEVELS),
    "sql/warehouses": ("warehouses", ("CAN_USE", "CAN_MONITOR", "CAN_VIEW", "IS_OWNER", "CAN_MANAGE")),
    "clusters": ("cluster", ("CAN_ATTACH_TO", "CAN_RESTART", "CAN_MANAGE")),
    "cluster-policies": ("cluster-policy", ("CAN_USE",)),
    "instance-pools": ("instance-pool", ("CAN_ATTACH_TO", "CAN_MANAGE")),
    "authorization": ("tokens", ("CAN_USE",)),
}
_OWNED = ("jobs", "sql/warehouses")


def _require(here: Workspace, kind: str, identity: str) -> None:
    if kind not in _TYPES:
        raise unsupported(f"The sandbox has no permissions on {kind}; it has {', '.join(sorted(_TYPES))}")
    if kind == "jobs" and here.store.get("job", identity) is None:
        raise missing(f"Job {identity} does not exist.")
    if kind in ("notebooks", "directories", "files"):
        ids = {str(one["object_id"]) for one in here.store.all("object")}
        if identity not in ids:
            raise missing(f"Workspace object with id {identity} does not exist.")


def _entries(here: Workspace, kind: str, identity: str) -> list[Document]:
    stored = here.store.get("permission", f"{kind}/{identity}")
    if stored:
        return list(stored["entries"])
    owner = {"field": "user_name", "principal": principals.ADMIN, "level": "IS_OWNER"}
    return [owner] if kind in _OWNED else []


def _answer(here: Workspace, kind: str, identity: str) -> Document:
    acl: list[Document] = []
    for entry in _entries(here, kind, identity):
        permission = {"permission_level": entry["level"], "inherited": False}
        acl.append({entry["field"]: entry["principal"], "all_permissions": [permission]})
    if "CAN_MANAGE" in _TYPES[kind][1]:
        inherited = {
            "permission_level": "CAN_MANAGE",
            "inherited": True,
            "inherited_from_object": [f"/{kind}/"],
        }
        acl.append({"group_name": principals.ADMINS_GROUP, "all_permissions": [inherited]})
    return {"object_id": f"/{kind}/{identity}", "object_type": _TYPES[kind][0], "access_control_list": acl}


def _parsed(kind: str, items: list[Document]) -> list[Document]:
    entries = []
    for item in items:
        fields = [key for key in ("user_name", "group_name", "service_principal_name") if item.get(key)]
        level = str(item.get("permission_level") or "")
        if len(fields) != 1:
            raise invalid(
                "Exactly one of user_name, group_name and service_principal_name is required per entry"
            )
        if level not in _TYPES[kind][1]:
            raise invalid(
                f"Permission level {level} is not supported on {_TYPES[kind][0]}; "
                f"allowed: {', '.join(_TYPES[kind][1])}"
            )
        name = item[fields[0]]
        exists = {
            "user_name": principals.user,
            "group_name": lambda group: group in principals.EVERYONE or principals.group(group),
            "service_principal_name": principals.service_principal,
        }[fields[0]](name)
        if not exists:
            raise missing(f"Principal: {fields[0]}({name}) does not exist")
        if level == "IS_OWNER" and fields[0] == "group_name":
            raise invalid(f"Groups cannot be owners: {name}")
        entries.append({"field": fields[0], "principal": name, "level": level})
    return entries


def _store(here: Workspace, kind: str, identity: str, entries: list[Document]) -> Document:
    if kind in _OWNED and [entry["level"] for entry in entries].count("IS_OWNER") != 1:
        raise invalid(f"The {_TYPES[kind][0]} must have exactly one owner.")
    here.store.put("permission", f"{kind}/{identity}", {"entries": entries})
    return _answer(here, kind, identity)


@router.get("/{kind:path}/{identity}/permissionLevels")
def levels(kind: str, identity: str) -> Document:
    """What may be granted on such an object."""
    if kind not in _TYPES:
        raise unsupported(f"The sandbox has no permissions on {kind}; it has {', '.join(sorted(_TYPES))}")
    return {
        "permission_levels": [{"permission_level": level, "description": level} for level in _TYPES[kind][1]]
    }


@router.get("/{kind:path}/{identity}")
def get(here: Here, kind: str, identity: str) -> Document:
    """Direct permissions, and what administrators inherit."""
    _require(here, kind, identity)
    return _answer(here, kind, identity)


@router.put("/{kind:path}/{identity}")
def replace(here: Here, kind: str, identity: str, body: dict[str, Any]) -> Document:
    """Replaces direct permissions. None at all goes back to the default."""
    _require(here, kind, identity)
    entries = _parsed(kind, body.get("access_control_list") or [])
    if not entries:
        here.store.delete("permission", f"{kind}/{identity}")
        return _answer(here, kind, identity)
    return _store(here, kind, identity, entries)


@router.patch("/{kind:path}/{identity}")
def change(here: Here, kind: str, identity: str, body: dict[str, Any]) -> Document:
    """Adds or changes entries by principal; a new owner takes the old one's place."""
    _require(here, kind, identity)
    changes = _parsed(kind, body.get("access_control_list") or [])
    merged = {(entry["field"], entry["principal"]): entry for entry in _entries(here, kind, identity)}
    if any(entry["level"] == "IS_OWNER" for entry in changes):
        merged = {key: entry for key, entry in merged.items() if entry["level"] != "IS_OWNER"}
    merged |= {(entry["field"], entry["principal"]): entry for entry in changes}
    return _store(here, kind, identity, list(merged.values()))
