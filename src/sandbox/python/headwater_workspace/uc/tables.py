"""Tables, read from the Spark host: /tables. They are made and changed by SQL."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query

from ..context import Here, Workspace
from ..errors import unsupported
from ..store import Document
from . import common
from .schemas import require_schema

router = APIRouter(prefix=common.PREFIX, tags=["tables"])


def _column(position: int, field: Any) -> Document:
    return {
        "name": field.name,
        "type_text": field.dataType.simpleString(),
        "type_name": type_name(field.dataType),
        "type_json": f'"{field.dataType.typeName()}"',
        "position": position,
        "nullable": field.nullable,
        "comment": field.metadata.get("comment"),
    }


def type_name(data_type: Any) -> str:
    """Databricks' ColumnTypeName of a Spark type."""
    name = str(data_type.typeName()).upper()
    renamed = {"INTEGER": "INT", "BIGINT": "LONG", "TINYINT": "BYTE", "SMALLINT": "SHORT", "VOID": "NULL"}
    return renamed.get(name.partition("(")[0], name.partition("(")[0])


def _info(here: Workspace, schema: Document, name: str) -> Document:
    full_name = f"{schema['full_name']}.{name}"
    described = here.admin.describe_table(full_name)
    return common.public(
        {
            "name": name,
            "catalog_name": schema["catalog_name"],
            "schema_name": schema["name"],
            "full_name": full_name,
            "table_type": described["table_type"],
            "data_source_format": described["format"],
            "storage_location": described["location"],
            "table_id": described["id"],
            "properties": described["properties"],
            "columns": [_column(position, field) for position, field in enumerate(described["fields"])],
            "owner": schema["owner"],
            "metastore_id": common.METASTORE_ID,
            "created_at": described["created_at"],
            "updated_at": described["updated_at"],
        }
    )


@router.post("/tables")
def create() -> Document:
    """Not here: the provider's `databricks_sql_table` goes through SQL statements as well."""
    raise unsupported("The sandbox makes tables by SQL only (statements API or a notebook)")


@router.get("/tables")
def list_all(here: Here, catalog_name: str = Query(...), schema_name: str = Query(...)) -> Document:
    """Tables and views of a schema."""
    schema = require_schema(here, f"{catalog_name}.{schema_name}")
    catalog = common.require(here, "catalog", schema["catalog_name"])
    return {"tables": [_info(here, schema, name) for name in here.admin.tables(catalog, schema["name"])]}


@router.get("/tables/{full_name}")
def get(here: Here, full_name: str) -> Document:
    """One by its full name."""
    here.admin.require_table(full_name)
    catalog, schema, name = full_name.lower().split(".")
    return _info(here, require_schema(here, f"{catalog}.{schema}"), name)


@router.get("/tables/{full_name}/exists")
def table_exists(here: Here, full_name: str) -> Document:
    """Whether there is such a table or view."""
    return {"table_exists": here.admin.table_exists(full_name)}


@router.delete("/tables/{full_name}")
def delete(here: Here, full_name: str) -> Document:
    """Drops it."""
    here.admin.require_table(full_name)
    here.admin.drop_table(full_name)
    here.store.delete("grant", f"TABLE\t{full_name.lower()}")
    return {}
