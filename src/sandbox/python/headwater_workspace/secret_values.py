"""Secret values, encrypted in the store with a key made from the workspace's token."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

from . import principals
from .context import Workspace
from .errors import ApiError, denied, missing
from .store import Document

_RANK = {"READ": 1, "WRITE": 2, "MANAGE": 3}


def _cipher(here: Workspace) -> Fernet:
    key = hashlib.sha256(b"headwater secrets\0" + here.options.token.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def encrypt(here: Workspace, value: bytes) -> str:
    """For the store."""
    return _cipher(here).encrypt(value).decode()


def require_scope(here: Workspace, scope: str) -> Document:
    """The scope, or Databricks' 404."""
    found = here.store.get("scope", scope)
    if found is None:
        raise missing(f"Scope {scope} does not exist!")
    return found


def may(scope: Document, principal: str, permission: str) -> bool:
    """Whether an ACL gives the principal, or a group it is in, at least this permission. Administrators may
    all.
    """
    if principals.is_admin(principal):
        return True
    names = principals.names_of(principal)
    return any(who in names and _RANK[held] >= _RANK[permission] for who, held in scope["acls"].items())


def read(here: Workspace, scope: str, key: str, principal: str) -> bytes:
    """A secret's value for a principal that may READ the scope. Raises Databricks' errors."""
    document = require_scope(here, scope)
    if not may(document, principal, "READ"):
        raise denied(f"User {principal} does not have READ permission on scope {scope}")
    secret = document["secrets"].get(key)
    if secret is None:
        raise missing(f"Secret does not exist with scope: {scope} and key: {key}")
    try:
        return _cipher(here).decrypt(secret["value"].encode())
    except InvalidToken as error:
        raise ApiError(
            "INVALID_STATE",
            f"Secret {scope}/{key} was stored under another workspace token; put it again",
            400,
        ) from error
