"""Schemas: /schemas. A schema is a database of the Spark host, whichever side made it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query

from ..context import Here, Workspace
from ..errors import bad_state, invalid, unsupported
from ..store import Document
from . import common

router = APIRouter(prefix=common.PREFIX, tags=["schemas"])
_UPDATABLE = ("comment", "owner", "properties", "enable_predictive_optimization")


def _document(catalog: Document, name: str, body: Document, root: str | None) -> Document:
    identity = common.new_id()
    return {
        "name": name,
        "catalog_name": catalog["name"],
        "full_name": f"{catalog['name']}.{name}",
        "schema_id": identity,
        "comment": body.get("comment"),
        "properties": body.get("properties") or {},
        "storage_root": root,
        "storage_location": f"{root.rstrip('/')}/__unitystorage/schemas/{identity}" if root else None,
        "catalog_type": catalog["catalog_type"],
        "enable_predictive_optimization": body.get("enable_predictive_optimization") or "INHERIT",
        "browse_only": False,
        **common.created(),
    }


def new_schema(here: Workspace, catalog: Document, body: Document) -> Document:
    """Checks, makes it in Spark, stores it."""
    from .catalogs import checked_storage_root

    name = common.checked_name(body.get("name"), "schema")
    common.refuse_existing(here, "schema", f"{catalog['name']}.{name}")
    if name == "information_schema":
        raise invalid("Schema name 'information_schema' is reserved")
    root = checked_storage_root(here, body.get("storage_root"), "CreateSchema")
    document = _document(catalog, name, body, root)
    here.admin.create_schema(catalog, name, document["storage_location"])
    return here.store.put("schema", document["full_name"], document)


def schemas_of(here: Workspace, catalog_name: str) -> list[Document]:
    """Those made through the API and those made by SQL (`CREATE SCHEMA`), which are remembered from now
    on.
    """
    catalog = common.require(here, "catalog", catalog_name)
    known = {one["name"]: one for one in here.store.all("schema") if one["catalog_name"] == catalog["name"]}
    in_spark = here.admin.schemas(catalog)
    for name in in_spark:
        if name not in known:
            document = _document(catalog, name, {}, None)
            known[name] = here.store.put("schema", document["full_name"], document)
    for name in set(known) - set(in_spark):  # dropped by SQL
        here.store.delete("schema", known.pop(name)["full_name"])
    return [known[name] for name in sorted(known)]


def require_schema(here: Workspace, full_name: str) -> Document:
    """The schema, or Databricks' 404 for it or its catalog."""
    catalog_name, separator, name = full_name.lower().partition(".")
    if not separator or not name or "." in name:
        raise invalid(f"Schema name '{full_name}' is not of the form <catalog>.<schema>")
    found = here.store.get("schema", full_name.lower())
    if found is None:
        schemas_of(here, catalog_name)
        return common.require(here, "schema", full_name)
    return found


def delete_schema(here: Workspace, schema: Document, force: bool) -> None:
    """With everything in it if forced. The files of external volumes stay."""
    catalog = common.require(here, "catalog", schema["catalog_name"])
    volumes = [
        one for one in here.store.all("volume") if one["full_name"].startswith(f"{schema['full_name']}.")
    ]
    tables = here.admin.tables(catalog, schema["name"])
    if (tables or volumes) and not force:
        raise bad_state(
            f"Schema '{schema['full_name']}' is not empty. The schema has {len(tables)} table(s), "
            f"{len(volumes)} volume(s)"
        )
    here.admin.drop_schema(catalog, schema["name"])
    for volume in volumes:
        here.store.delete("volume", volume["full_name"])
        here.store.delete("grant", f"VOLUME\t{volume['full_name']}")
    here.store.delete("schema", schema["full_name"])
    here.store.delete("grant", f"SCHEMA\t{schema['full_name']}")


@router.post("/schemas")
def create(here: Here, body: dict[str, Any]) -> Document:
    """In a catalog that must exist."""
    with here.store.lock:
        catalog = common.require(here, "catalog", str(body.get("catalog_name") or ""))
        return common.public(new_schema(here, catalog, body))


@router.get("/schemas")
def list_all(here: Here, catalog_name: str = Query(...)) -> Document:
    """Every schema of a catalog."""
    with here.store.lock:
        return {"schemas": [common.public(one) for one in schemas_of(here, catalog_name.lower())]}


@router.get("/schemas/{full_name}")
def get(here: Here, full_name: str) -> Document:
    """One by its full name."""
    return common.public(require_schema(here, full_name))


@router.patch("/schemas/{full_name}")
def update(here: Here, full_name: str, body: dict[str, Any]) -> Document:
    """Everything but the name and the storage root."""
    with here.store.lock:
        document = common.touched(require_schema(here, full_name), body, _UPDATABLE)
        if body.get("new_name") and body["new_name"].lower() != document["name"]:
            raise unsupported("The sandbox cannot rename a schema; its tables are kept by name")
        return common.public(here.store.put("schema", document["full_name"], document))


@router.delete("/schemas/{full_name}")
def delete(here: Here, full_name: str, force: bool = Query(False)) -> Document:
    """Refused while it holds tables or volumes, unless forced."""
    with here.store.lock:
        delete_schema(here, require_schema(here, full_name), force)
    return {}
