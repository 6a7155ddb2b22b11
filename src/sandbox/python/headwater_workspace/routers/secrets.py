"""Secrets API: /api/2.0/secrets."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from fastapi import APIRouter, Query

from .. import principals, secret_values
from ..clock import now_ms
from ..context import Here
from ..errors import denied, exists, invalid, missing, unsupported
from ..store import Document

router = APIRouter(prefix="/api/2.0/secrets", tags=["secrets"])
_NAME = re.compile(r"[\w\-@.]{1,128}")
_MAX_BYTES = 128 * 1024


@router.post("/scopes/create")
def create_scope(here: Here, body: dict[str, Any]) -> Document:
    """Its maker may MANAGE it; with initial_manage_principal "users", everyone may."""
    name = body.get("scope")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid(
            f"Scope name {name!r} may hold letters, digits, dashes, underscores, @ and periods, up to 128"
        )
    if str(body.get("scope_backend_type") or "DATABRICKS") != "DATABRICKS":
        raise unsupported("The sandbox has scopes with the backend DATABRICKS only")
    manager = body.get("initial_manage_principal") or principals.ADMIN
    if manager not in ("users", principals.ADMIN):
        raise invalid(f"initial_manage_principal is '{manager}'; only 'users' is allowed")
    with here.store.lock:
        if here.store.get("scope", name):
            raise exists(f"Scope {name} already exists!")
        here.store.put("scope", name, {"name": name, "secrets": {}, "acls": {manager: "MANAGE"}})
    return {}


@router.post("/scopes/delete")
def delete_scope(here: Here, body: dict[str, Any]) -> Document:
    """With its secrets."""
    secret_values.require_scope(here, str(body.get("scope")))
    here.store.delete("scope", str(body.get("scope")))
    return {}


@router.get("/scopes/list")
def list_scopes(here: Here) -> Document:
    """Every scope."""
    return {
        "scopes": [{"name": one["name"], "backend_type": "DATABRICKS"} for one in here.store.all("scope")]
    }


@router.post("/put")
def put_secret(here: Here, body: dict[str, Any]) -> Document:
    """Creates or replaces a secret."""
    key = body.get("key")
    if not isinstance(key, str) or not _NAME.fullmatch(key):
        raise invalid(
            f"Secret key {key!r} may hold letters, digits, dashes, underscores and periods, up to 128"
        )
    if (body.get("string_value") is None) == (body.get("bytes_value") is None):
        raise invalid("Exactly one of string_value and bytes_value is required")
    if body.get("string_value") is not None:
        value = str(body["string_value"]).encode()
    else:
        try:
            value = base64.b64decode(body["bytes_value"], validate=True)
        except binascii.Error as error:
            raise invalid(f"bytes_value is not base64: {error}") from error
    if len(value) > _MAX_BYTES:
        raise invalid("The secret value exceeds 128 KB")
    with here.store.lock:
        scope = secret_values.require_scope(here, str(body.get("scope")))
        scope["secrets"][key] = {"value": secret_values.encrypt(here, value), "updated": now_ms()}
        here.store.put("scope", scope["name"], scope)
    return {}


@router.post("/delete")
def delete_secret(here: Here, body: dict[str, Any]) -> Document:
    """Deletes a secret."""
    with here.store.lock:
        scope = secret_values.require_scope(here, str(body.get("scope")))
        if scope["secrets"].pop(str(body.get("key")), None) is None:
            raise missing(f"Secret does not exist with scope: {scope['name']} and key: {body.get('key')}")
        here.store.put("scope", scope["name"], scope)
    return {}


@router.get("/list")
def list_secrets(here: Here, scope: str = Query(...)) -> Document:
    """Keys and times, never values."""
    document = secret_values.require_scope(here, scope)
    return {
        "secrets": [
            {"key": key, "last_updated_timestamp": secret["updated"]}
            for key, secret in sorted(document["secrets"].items())
        ]
    }


@router.get("/get")
def get_secret(here: Here, scope: str = Query(...), key: str = Query(...)) -> Document:
    """The value in base64, for callers that may READ the scope: here the administrator."""
    value = secret_values.read(here, scope, key, principals.ADMIN)
    return {"key": key, "value": base64.b64encode(value).decode()}


@router.post("/acls/put")
def put_acl(here: Here, body: dict[str, Any]) -> Document:
    """READ, WRITE or MANAGE for a principal that must exist."""
    permission, who = str(body.get("permission") or ""), str(body.get("principal") or "")
    if permission not in ("READ", "WRITE", "MANAGE"):
        raise invalid(f"Invalid permission '{permission}': allowed are READ, WRITE, MANAGE")
    if not principals.known(who):
        raise missing(f"User or Group {who} does not exist.")
    with here.store.lock:
        scope = secret_values.require_scope(here, str(body.get("scope")))
        scope["acls"][who] = permission
        here.store.put("scope", scope["name"], scope)
    return {}


@router.get("/acls/get")
def get_acl(here: Here, scope: str = Query(...), principal: str = Query(...)) -> Document:
    """One principal's permission."""
    permission = secret_values.require_scope(here, scope)["acls"].get(principal)
    if permission is None:
        raise missing(f"Failed to get secret acl for principal {principal} for scope {scope}.")
    return {"principal": principal, "permission": permission}


@router.get("/acls/list")
def list_acls(here: Here, scope: str = Query(...)) -> Document:
    """Every permission on a scope."""
    acls = secret_values.require_scope(here, scope)["acls"]
    return {
        "items": [{"principal": who, "permission": permission} for who, permission in sorted(acls.items())]
    }


@router.post("/acls/delete")
def delete_acl(here: Here, body: dict[str, Any]) -> Document:
    """Takes a permission away; the last MANAGE stays."""
    who = str(body.get("principal") or "")
    with here.store.lock:
        scope = secret_values.require_scope(here, str(body.get("scope")))
        if who not in scope["acls"]:
            raise missing(f"Failed to get secret acl for principal {who} for scope {scope['name']}.")
        left = {key: value for key, value in scope["acls"].items() if key != who}
        if "MANAGE" not in left.values():
            raise denied(f"Cannot remove the last MANAGE permission on scope {scope['name']}")
        here.store.put("scope", scope["name"], scope | {"acls": left})
    return {}
