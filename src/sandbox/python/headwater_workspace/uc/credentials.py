"""Storage credentials (AWS IAM roles): /storage-credentials and /validate-storage-credentials."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query

from ..aws import S3Url
from ..context import Here, Workspace
from ..errors import bad_state, denied, invalid, unsupported
from ..store import Document
from . import common
from .roles import MASTER_ROLE, RoleProblem, check_trust, missing_permissions

router = APIRouter(prefix=common.PREFIX, tags=["storage credentials"])
_UPDATABLE = ("comment", "owner", "read_only", "isolation_mode")


def _role(body: Document, external_id: str) -> Document:
    for other in ("azure_managed_identity", "azure_service_principal", "databricks_gcp_service_account"):
        if body.get(other):
            raise invalid(f"Storage credential type {other} is not supported by a workspace on AWS")
    if body.get("cloudflare_api_token"):
        raise unsupported("The sandbox has no Cloudflare storage credentials; use aws_iam_role")
    arn = (body.get("aws_iam_role") or {}).get("role_arn")
    if not isinstance(arn, str) or not arn.startswith("arn:aws") or ":role/" not in arn:
        raise invalid(f"Invalid aws_iam_role.role_arn: {arn!r} is not the ARN of an IAM role")
    return {"role_arn": arn, "external_id": external_id, "unity_catalog_iam_arn": MASTER_ROLE}


def _validate(here: Workspace, credential: Document) -> None:
    try:
        check_trust(here, credential)
    except RoleProblem as problem:
        raise denied(f"Failed to get credentials: {problem}") from problem


@router.post("/storage-credentials")
def create(here: Here, body: dict[str, Any]) -> Document:
    """Validates the role unless `skip_validation`: the usual order makes the credential before its role."""
    name = common.checked_name(body.get("name"), "storage credential", strict=False)
    with here.store.lock:
        common.refuse_existing(here, "credential", name)
        document = {
            "name": name,
            "full_name": name,
            "id": common.new_id(),
            "aws_iam_role": _role(body, common.new_id()),
            "comment": body.get("comment"),
            "read_only": bool(body.get("read_only")),
            "isolation_mode": "ISOLATION_MODE_OPEN",
            "securable_type": "STORAGE_CREDENTIAL",
            "used_for_managed_storage": False,
            **common.created(),
        }
        if not body.get("skip_validation"):
            _validate(here, document)
        return common.public(here.store.put("credential", name, document))


@router.get("/storage-credentials")
def list_all(here: Here) -> Document:
    """Every credential."""
    return {"storage_credentials": [common.public(one) for one in here.store.all("credential")]}


@router.get("/storage-credentials/{name}")
def get(here: Here, name: str) -> Document:
    """One by name."""
    return common.public(common.require(here, "credential", name))


@router.patch("/storage-credentials/{name}")
def update(here: Here, name: str, body: dict[str, Any]) -> Document:
    """A changed role keeps the external id. A new name is followed by the locations that use the
    credential.
    """
    with here.store.together():
        before = common.require(here, "credential", name)
        document = common.touched(before, body, _UPDATABLE)
        if body.get("aws_iam_role"):
            document["aws_iam_role"] = _role(body, before["aws_iam_role"]["external_id"])
            if not body.get("skip_validation"):
                _validate(here, document)
        new_name = body.get("new_name")
        if new_name and new_name.lower() != before["name"]:
            new_name = common.checked_name(new_name, "storage credential", strict=False)
            common.refuse_existing(here, "credential", new_name)
            for location in here.store.all("location"):
                if location["credential_name"] == before["name"]:
                    here.store.put("location", location["name"], location | {"credential_name": new_name})
            here.store.delete("credential", before["name"])
            document |= {"name": new_name, "full_name": new_name}
        return common.public(here.store.put("credential", document["name"], document))


@router.delete("/storage-credentials/{name}")
def delete(here: Here, name: str, force: bool = Query(False)) -> Document:
    """Refused while external locations use it, unless forced."""
    with here.store.together():
        credential = common.require(here, "credential", name)
        users = [
            one["name"] for one in here.store.all("location") if one["credential_name"] == credential["name"]
        ]
        if users and not force:
            raise bad_state(
                f"Storage credential '{name}' cannot be deleted because it is used by {len(users)} external "
                f"location(s): {', '.join(users)}"
            )
        here.store.delete("credential", credential["name"])
        here.store.delete("grant", f"STORAGE_CREDENTIAL\t{credential['name']}")
    return {}


@router.post("/validate-storage-credentials")
def validate(here: Here, body: dict[str, Any]) -> Document:
    """READ, LIST, WRITE and DELETE on a URL or an external location: PASS, FAIL or SKIP with a message
    each.
    """
    location = None
    if body.get("external_location_name"):
        location = common.require(here, "location", body["external_location_name"])
    name = body.get("storage_credential_name") or (location or {}).get("credential_name")
    if not name:
        raise invalid("One of storage_credential_name and external_location_name is required")
    credential = common.require(here, "credential", name)
    url = body.get("url") or (location or {}).get("url")
    place = common.checked_url(url) if url else None
    return {"is_dir": True, "results": _results(here, credential, place, bool(body.get("read_only")))}


def _results(here: Workspace, credential: Document, place: S3Url | None, read_only: bool) -> list[Document]:
    operations = ("READ", "LIST", "WRITE", "DELETE")
    try:
        if place is None:
            check_trust(here, credential)
            return [
                {"operation": operation, "result": "SKIP", "message": "no url"} for operation in operations
            ]
        lacking = missing_permissions(here, credential, place, read_only)
    except RoleProblem as problem:
        return [
            {"operation": operation, "result": "FAIL", "message": str(problem)} for operation in operations
        ]
    return [
        {"operation": operation, "result": "FAIL" if operation in lacking else "PASS", "message": ""}
        for operation in operations
    ]
