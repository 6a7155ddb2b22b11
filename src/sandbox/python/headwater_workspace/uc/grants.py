"""Grants: /permissions and /effective-permissions of Unity Catalog's securables.

What the sandbox enforces of them: a job's principal sees a catalog in Spark only with USE CATALOG, and a
volume only with USE CATALOG, USE SCHEMA and READ VOLUME (see spark_sessions.py). Table privileges are
recorded, not enforced.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query

from .. import principals
from ..context import Here, Workspace
from ..errors import invalid, missing, unsupported
from ..store import Document
from . import common
from .schemas import require_schema

router = APIRouter(prefix=common.PREFIX, tags=["grants"])

_TABLE = {"SELECT", "MODIFY", "APPLY_TAG"}
_VOLUME = {"READ_VOLUME", "WRITE_VOLUME", "APPLY_TAG"}
_SCHEMA = {
    *_TABLE,
    *_VOLUME,
    *("USE_SCHEMA", "CREATE_TABLE", "CREATE_VOLUME", "CREATE_FUNCTION", "CREATE_MODEL", "EXECUTE", "REFRESH"),
    *("CREATE_MATERIALIZED_VIEW", "MANAGE", "EXTERNAL_USE_SCHEMA", "CREATE_MODEL_VERSION"),
}
# What may be granted on what (docs.databricks.com, "Unity Catalog privileges and securable objects").
_PRIVILEGES = {
    "METASTORE": {
        *("CREATE_CATALOG", "CREATE_CONNECTION", "CREATE_EXTERNAL_LOCATION", "CREATE_STORAGE_CREDENTIAL"),
        *(
            "CREATE_SHARE",
            "CREATE_RECIPIENT",
            "CREATE_PROVIDER",
            "CREATE_CLEAN_ROOM",
            "USE_PROVIDER",
            "USE_SHARE",
        ),
        *(
            "MANAGE_ALLOWLIST",
            "SET_SHARE_PERMISSION",
            "USE_CONNECTION",
            "USE_RECIPIENT",
            "CREATE_SERVICE_CREDENTIAL",
        ),
    },
    "CATALOG": {*_SCHEMA, "USE_CATALOG", "CREATE_SCHEMA", "BROWSE"},
    "SCHEMA": _SCHEMA,
    "TABLE": {*_TABLE, "MANAGE"},
    "VOLUME": {*_VOLUME, "MANAGE"},
    "STORAGE_CREDENTIAL": {
        *("CREATE_EXTERNAL_LOCATION", "CREATE_EXTERNAL_TABLE", "READ_FILES", "WRITE_FILES", "MANAGE"),
    },
    "EXTERNAL_LOCATION": {
        *(
            "CREATE_EXTERNAL_TABLE",
            "CREATE_EXTERNAL_VOLUME",
            "CREATE_MANAGED_STORAGE",
            "READ_FILES",
            "WRITE_FILES",
        ),
        *("BROWSE", "MANAGE", "CREATE_FOREIGN_SECURABLE", "EXTERNAL_USE_LOCATION"),
    },
}
_STORED = {
    "STORAGE_CREDENTIAL": "credential",
    "EXTERNAL_LOCATION": "location",
    "CATALOG": "catalog",
    "VOLUME": "volume",
}


def _securable(here: Workspace, kind: str, name: str) -> tuple[str, str]:
    """The kind in capitals and the stored name; Databricks' 404 if there is no such object."""
    kind = kind.rsplit(".", 1)[-1].upper()
    if kind not in _PRIVILEGES:
        raise unsupported(
            f"The sandbox has no securables of type {kind}; it has {', '.join(sorted(_PRIVILEGES))}"
        )
    if kind == "METASTORE":
        if name not in (common.METASTORE_ID, common.METASTORE_NAME):
            raise missing(f"Metastore '{name}' does not exist.", "METASTORE_DOES_NOT_EXIST")
        return kind, common.METASTORE_ID
    if kind == "SCHEMA":
        return kind, require_schema(here, name)["full_name"]
    if kind == "TABLE":
        here.admin.require_table(name)
        return kind, name.lower()
    return kind, common.require(here, _STORED[kind], name)["full_name"]


def _assignments(here: Workspace, kind: str, name: str) -> dict[str, list[str]]:
    return (here.store.get("grant", f"{kind}\t{name}") or {}).get("assignments", {})


def _ancestors(kind: str, name: str) -> list[tuple[str, str]]:
    parts = name.split(".")
    chain: list[tuple[str, str]] = []
    if kind in ("TABLE", "VOLUME"):
        chain.append(("SCHEMA", ".".join(parts[:2])))
    if kind in ("TABLE", "VOLUME", "SCHEMA"):
        chain.append(("CATALOG", parts[0]))
    return chain


def holds(here: Workspace, principal: str, privilege: str, kind: str, name: str) -> bool:
    """Whether the principal has the privilege on the object: by grant there or above, through groups, by
    ownership.
    """
    if principals.is_admin(principal):
        return True
    names = principals.names_of(principal)
    for where, what in [(kind, name), *_ancestors(kind, name)]:
        stored = _STORED.get(where, where.lower())
        if (here.store.get(stored, what) or {}).get("owner") in names:
            return True
        for who, privileges in _assignments(here, where, what).items():
            if who in names and (privilege in privileges or "ALL_PRIVILEGES" in privileges):
                return True
    return False


def _answer(assignments: dict[str, list[str]], principal: str | None) -> Document:
    return {
        "privilege_assignments": [
            {"principal": who, "privileges": sorted(privileges)}
            for who, privileges in sorted(assignments.items())
            if principal in (None, "", who)
        ]
    }


@router.get("/permissions/{kind}/{name}")
def get(here: Here, kind: str, name: str, principal: str | None = Query(None)) -> Document:
    """Grants made on the object itself."""
    return _answer(_assignments(here, *_securable(here, kind, name)), principal)


@router.patch("/permissions/{kind}/{name}")
def update(here: Here, kind: str, name: str, body: dict[str, Any]) -> Document:
    """Adds and removes privileges. Every principal must exist and every privilege fit the object."""
    with here.store.lock:
        kind, name = _securable(here, kind, name)
        assignments = {who: set(privileges) for who, privileges in _assignments(here, kind, name).items()}
        for change in body.get("changes") or []:
            who = change.get("principal")
            if not who:
                raise invalid("Missing required field: changes.principal")
            add = {str(privilege).replace(" ", "_").upper() for privilege in change.get("add") or []}
            remove = {str(privilege).replace(" ", "_").upper() for privilege in change.get("remove") or []}
            if add and not principals.known(who):
                raise missing(f"Could not find principal with name {who}", "PRINCIPAL_DOES_NOT_EXIST")
            for privilege in sorted(add | remove):
                if privilege not in _PRIVILEGES[kind] | {"ALL_PRIVILEGES"}:
                    raise invalid(
                        f"Privilege {privilege} is not applicable to this entity [{name}:{kind}]. If this "
                        "seems unexpected, please check the privilege version of the metastore in use [1.0]."
                    )
            held = (assignments.get(who, set()) | add) - remove
            if "ALL_PRIVILEGES" in remove:
                held = add
            if held:
                assignments[who] = held
            else:
                assignments.pop(who, None)
        stored = {who: sorted(held) for who, held in assignments.items()}
        here.store.put("grant", f"{kind}\t{name}", {"assignments": stored})
        return _answer(stored, None)


@router.get("/effective-permissions/{kind}/{name}")
def effective(here: Here, kind: str, name: str, principal: str | None = Query(None)) -> Document:
    """Grants on the object and what it inherits, each with where it comes from."""
    kind, name = _securable(here, kind, name)
    found: dict[str, dict[str, Document]] = {}
    for where, what in [(kind, name), *_ancestors(kind, name)]:
        for who, privileges in _assignments(here, where, what).items():
            if principal not in (None, "", who):
                continue
            for privilege in privileges:
                if privilege != "ALL_PRIVILEGES" and privilege not in _PRIVILEGES[kind] and where != kind:
                    continue
                entry: Document = {"privilege": privilege}
                if where != kind:
                    entry |= {"inherited_from_type": where, "inherited_from_name": what}
                found.setdefault(who, {}).setdefault(privilege, entry)
    return {
        "privilege_assignments": [
            {"principal": who, "privileges": [held[privilege] for privilege in sorted(held)]}
            for who, held in sorted(found.items())
        ]
    }
