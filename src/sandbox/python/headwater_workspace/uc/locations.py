"""External locations: /external-locations."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query

from ..aws import S3Url
from ..context import Here, Workspace
from ..errors import bad_state, denied, invalid
from ..store import Document
from . import common
from .roles import RoleProblem, missing_permissions

router = APIRouter(prefix=common.PREFIX, tags=["external locations"])
_UPDATABLE = (
    "comment",
    "owner",
    "read_only",
    "isolation_mode",
    "fallback",
    "enable_file_events",
    "file_event_queue",
    "encryption_details",
)


def _refuse_overlap(here: Workspace, place: S3Url, own_name: str, call: str) -> None:
    for other in here.store.all("location"):
        if other["name"] != own_name and S3Url.parse(other["url"]).overlaps(place):
            raise invalid(
                f"Input path url '{place}' overlaps with an existing external location within '{call}' call. "
                f"Conflicting location: {other['name']}.",
                "LOCATION_OVERLAP",
            )


def _validate(here: Workspace, document: Document) -> None:
    """The role must be usable and allow what the location is for. A denied write makes no read-only
    location.
    """
    credential = common.require(here, "credential", document["credential_name"])
    try:
        lacking = missing_permissions(here, credential, S3Url.parse(document["url"]), document["read_only"])
    except RoleProblem as problem:
        raise denied(
            f"AWS IAM role does not have READ permissions on url {document['url']}. Please contact your "
            "account admin to update the storage credential. PERMISSION_DENIED: Failed to get credentials: "
            f"{problem}"
        ) from problem
    if lacking:
        raise denied(
            f"AWS IAM role does not have {lacking[0]} permissions on url {document['url']}. "
            "Please contact your account admin to update the storage credential."
        )


def _dependents(here: Workspace, place: S3Url) -> list[str]:
    volumes = [
        f"volume {one['full_name']}"
        for one in here.store.all("volume")
        if place.contains(S3Url.parse(one["storage_location"])) and one["volume_type"] == "EXTERNAL"
    ]
    managed = [
        f"managed storage of {name}" for name, root in common.managed_roots(here) if place.contains(root)
    ]
    return volumes + managed


@router.post("/external-locations")
def create(here: Here, body: dict[str, Any]) -> Document:
    """Refused where it overlaps another location, or (unless skip_validation) where the role cannot work."""
    name = common.checked_name(body.get("name"), "external location", strict=False)
    place = common.checked_url(body.get("url"))
    if not body.get("credential_name"):
        raise invalid("Missing required field: credential_name")
    with here.store.lock:
        common.refuse_existing(here, "location", name)
        credential = common.require(here, "credential", body["credential_name"])
        _refuse_overlap(here, place, name, "CreateExternalLocation")
        # Databricks: file events are on by default, with a queue it manages; asking for them without a queue
        # is refused there as well.
        document = {
            "name": name,
            "full_name": name,
            "url": body["url"],
            "credential_name": credential["name"],
            "credential_id": credential["id"],
            "comment": body.get("comment"),
            "read_only": bool(body.get("read_only")),
            "fallback": bool(body.get("fallback")),
            "enable_file_events": body.get("enable_file_events"),
            "file_event_queue": body.get("file_event_queue"),
            "encryption_details": body.get("encryption_details"),
            "isolation_mode": "ISOLATION_MODE_OPEN",
            "securable_type": "EXTERNAL_LOCATION",
            "browse_only": False,
            **common.created(),
        }
        if not body.get("skip_validation"):
            _validate(here, document)
        return common.public(here.store.put("location", name, document))


@router.get("/external-locations")
def list_all(here: Here) -> Document:
    """Every location."""
    return {"external_locations": [common.public(one) for one in here.store.all("location")]}


@router.get("/external-locations/{name}")
def get(here: Here, name: str) -> Document:
    """One by name."""
    return common.public(common.require(here, "location", name))


@router.patch("/external-locations/{name}")
def update(here: Here, name: str, body: dict[str, Any]) -> Document:
    """A changed URL must not leave dependents behind, unless forced."""
    with here.store.together():
        before = common.require(here, "location", name)
        document = common.touched(before, body, _UPDATABLE)
        if body.get("credential_name"):
            credential = common.require(here, "credential", body["credential_name"])
            document |= {"credential_name": credential["name"], "credential_id": credential["id"]}
        if body.get("url") and body["url"] != before["url"]:
            place = common.checked_url(body["url"])
            _refuse_overlap(here, place, before["name"], "UpdateExternalLocation")
            left = _dependents(here, S3Url.parse(before["url"]))
            if left and not body.get("force"):
                raise bad_state(
                    f"External Location '{name}' is used by {left[0]}; its url cannot change without force"
                )
            document["url"] = body["url"]
        if not body.get("skip_validation"):
            _validate(here, document)
        new_name = body.get("new_name")
        if new_name and new_name.lower() != before["name"]:
            new_name = common.checked_name(new_name, "external location", strict=False)
            common.refuse_existing(here, "location", new_name)
            here.store.delete("location", before["name"])
            document |= {"name": new_name, "full_name": new_name}
        return common.public(here.store.put("location", document["name"], document))


@router.delete("/external-locations/{name}")
def delete(here: Here, name: str, force: bool = Query(False)) -> Document:
    """Refused while volumes or managed storage are below it, unless forced."""
    with here.store.together():
        location = common.require(here, "location", name)
        left = _dependents(here, S3Url.parse(location["url"]))
        if left and not force:
            raise bad_state(
                f"External Location '{name}' cannot be deleted: {', '.join(left[:3])} depend(s) on it"
            )
        here.store.delete("location", location["name"])
        here.store.delete("grant", f"EXTERNAL_LOCATION\t{location['name']}")
    return {}
