"""Catalogs: /catalogs. A catalog is a Spark catalog at once, in every session opened afterwards."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query

from ..context import Here, Workspace
from ..errors import bad_state, invalid, unsupported
from ..store import Document
from . import common
from .schemas import delete_schema, new_schema, schemas_of

router = APIRouter(prefix=common.PREFIX, tags=["catalogs"])
_UPDATABLE = ("comment", "owner", "properties", "isolation_mode", "enable_predictive_optimization", "options")
_RESERVED = ("spark_catalog", "system", "hive_metastore", "samples")


def checked_storage_root(here: Workspace, url: Any, call: str) -> str | None:
    """Managed storage must lie in an external location and outside external volumes. None if none was asked
    for.
    """
    if not url:
        return None
    place = common.checked_url(url)
    common.require_location(here, place)
    for volume in here.store.all("volume"):
        if volume["volume_type"] == "EXTERNAL" and common.checked_url(volume["storage_location"]).overlaps(
            place
        ):
            raise invalid(
                f"Input path url '{place}' overlaps with other external tables or volumes within '{call}' "
                f"call. Conflicting tables/volumes: {volume['full_name']}.",
                "LOCATION_OVERLAP",
            )
    return str(place)


@router.post("/catalogs")
def create(here: Here, body: dict[str, Any]) -> Document:
    """With the schema `default`, as every new catalog has."""
    for field in ("connection_name", "provider_name", "share_name"):
        if body.get(field):
            raise unsupported(
                f"The sandbox makes managed catalogs only; {field} is for foreign or shared ones"
            )
    name = common.checked_name(body.get("name"), "catalog")
    with here.store.lock:
        common.refuse_existing(here, "catalog", name)
        if name in _RESERVED:
            raise invalid(f"Catalog name '{name}' is reserved")
        root = checked_storage_root(here, body.get("storage_root"), "CreateCatalog")
        identity = common.new_id()
        document = {
            "name": name,
            "full_name": name,
            "id": identity,
            "comment": body.get("comment"),
            "properties": body.get("properties") or {},
            "options": body.get("options"),
            "storage_root": root,
            "storage_location": f"{root.rstrip('/')}/__unitystorage/catalogs/{identity}" if root else None,
            "catalog_type": "MANAGED_CATALOG",
            "securable_type": "CATALOG",
            "isolation_mode": "OPEN",
            "enable_predictive_optimization": "INHERIT",
            "browse_only": False,
            **common.created(),
        }
        here.store.put("catalog", name, document)
        try:
            new_schema(here, document, {"name": "default", "comment": "Default schema (auto-created)"})
        except BaseException:
            here.store.delete("catalog", name)
            raise
        return common.public(document)


@router.get("/catalogs")
def list_all(here: Here) -> Document:
    """Every catalog."""
    return {"catalogs": [common.public(one) for one in here.store.all("catalog")]}


@router.get("/catalogs/{name}")
def get(here: Here, name: str) -> Document:
    """One by name."""
    return common.public(common.require(here, "catalog", name))


@router.patch("/catalogs/{name}")
def update(here: Here, name: str, body: dict[str, Any]) -> Document:
    """Everything but the name and the storage root."""
    with here.store.lock:
        document = common.touched(common.require(here, "catalog", name), body, _UPDATABLE)
        if body.get("new_name") and body["new_name"].lower() != document["name"]:
            raise unsupported("The sandbox cannot rename a catalog; its tables are kept by name")
        return common.public(here.store.put("catalog", document["name"], document))


@router.delete("/catalogs/{name}")
def delete(here: Here, name: str, force: bool = Query(False)) -> Document:
    """Refused while it holds schemas, unless forced. `information_schema` does not count."""
    with here.store.lock:
        catalog = common.require(here, "catalog", name)
        schemas = schemas_of(here, catalog["name"])
        if schemas and not force:
            raise bad_state(f"Catalog '{name}' is not empty. The catalog has {len(schemas)} schema(s)")
        for schema in schemas:
            delete_schema(here, schema, force=True)
        here.store.delete("catalog", catalog["name"])
        here.store.delete("grant", f"CATALOG\t{catalog['name']}")
    return {}
