"""Volumes: /volumes. An external volume is the S3 prefix it was given; a managed one gets a prefix."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from fastapi import APIRouter, Query

from ..aws import S3Url
from ..context import Here, Workspace
from ..errors import invalid
from ..store import Document
from . import common
from .schemas import require_schema

router = APIRouter(prefix=common.PREFIX, tags=["volumes"])


def _refuse_overlap(here: Workspace, place: S3Url, call: str) -> None:
    """With other volumes and with managed storage. External tables made by SQL are not looked at."""
    for other in here.store.all("volume"):
        if S3Url.parse(other["storage_location"]).overlaps(place):
            raise invalid(
                f"Input path url '{place}' overlaps with other external tables or volumes within '{call}' "
                f"call. Conflicting tables/volumes: {other['full_name']}.",
                "LOCATION_OVERLAP",
            )
    for name, root in common.managed_roots(here):
        if root.contains(place) or place.contains(root):
            raise invalid(
                f"Input path url '{place}' overlaps with managed storage within '{call}' call. "
                f"Conflicting managed storage: {name}.",
                "LOCATION_OVERLAP",
            )


def _managed_place(here: Workspace, schema: Document, identity: str) -> S3Url:
    catalog = common.require(here, "catalog", schema["catalog_name"])
    parent = schema.get("storage_location") or catalog.get("storage_location")
    if parent:
        return S3Url.parse(f"{parent}/volumes/{identity}")
    root = common.metastore_root(here)
    try:
        here.aws.s3.create_bucket(
            Bucket=root.bucket, CreateBucketConfiguration={"LocationConstraint": here.options.aws_region}
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise
    return S3Url(root.bucket, f"{common.METASTORE_ID}/volumes/{identity}")


@router.post("/volumes")
def create(here: Here, body: dict[str, Any]) -> Document:
    """EXTERNAL needs a storage_location inside an external location; MANAGED must have none."""
    name = common.checked_name(body.get("name"), "volume")
    kind = str(body.get("volume_type") or "")
    with here.store.lock:
        schema = require_schema(here, f"{body.get('catalog_name')}.{body.get('schema_name')}")
        full_name = f"{schema['full_name']}.{name}"
        common.refuse_existing(here, "volume", full_name)
        identity = common.new_id()
        if kind == "EXTERNAL":
            if not body.get("storage_location"):
                raise invalid("Missing storage_location: an external volume needs one")
            place = common.checked_url(body["storage_location"])
            common.require_location(here, place)
            _refuse_overlap(here, place, "CreateVolume")
        elif kind == "MANAGED":
            if body.get("storage_location"):
                raise invalid("storage_location is not allowed for a managed volume")
            place = _managed_place(here, schema, identity)
        else:
            raise invalid(f"Invalid volume_type {kind!r}: allowed are EXTERNAL and MANAGED")
        document = {
            "name": name,
            "catalog_name": schema["catalog_name"],
            "schema_name": schema["name"],
            "full_name": full_name,
            "volume_id": identity,
            "volume_type": kind,
            "storage_location": str(place).rstrip("/"),
            "comment": body.get("comment"),
            "browse_only": False,
            **common.created(),
        }
        return common.public(here.store.put("volume", full_name, document))


@router.get("/volumes")
def list_all(here: Here, catalog_name: str = Query(...), schema_name: str = Query(...)) -> Document:
    """Every volume of a schema."""
    schema = require_schema(here, f"{catalog_name}.{schema_name}")
    prefix = f"{schema['full_name']}."
    return {
        "volumes": [
            common.public(one) for one in here.store.all("volume") if one["full_name"].startswith(prefix)
        ]
    }


@router.get("/volumes/{full_name}")
def get(here: Here, full_name: str) -> Document:
    """One by its full name."""
    return common.public(common.require(here, "volume", full_name))


@router.patch("/volumes/{full_name}")
def update(here: Here, full_name: str, body: dict[str, Any]) -> Document:
    """Comment, owner and name."""
    with here.store.together():
        before = common.require(here, "volume", full_name)
        document = common.touched(before, body, ("comment", "owner"))
        new_name = body.get("new_name")
        if new_name and new_name.lower() != before["name"]:
            new_name = common.checked_name(new_name, "volume")
            moved = f"{before['catalog_name']}.{before['schema_name']}.{new_name}"
            common.refuse_existing(here, "volume", moved)
            here.store.delete("volume", before["full_name"])
            document |= {"name": new_name, "full_name": moved}
        return common.public(here.store.put("volume", document["full_name"], document))


@router.delete("/volumes/{full_name}")
def delete(here: Here, full_name: str) -> Document:
    """An external volume's files stay; a managed volume's go."""
    with here.store.lock:
        volume = common.require(here, "volume", full_name)
        if volume["volume_type"] == "MANAGED":
            place = S3Url.parse(volume["storage_location"])
            pages = here.aws.s3.get_paginator("list_objects_v2").paginate(
                Bucket=place.bucket, Prefix=place.folder
            )
            for page in pages:
                for one in page.get("Contents", []):
                    here.aws.s3.delete_object(Bucket=place.bucket, Key=one["Key"])
        here.store.delete("volume", volume["full_name"])
        here.store.delete("grant", f"VOLUME\t{volume['full_name']}")
    return {}
