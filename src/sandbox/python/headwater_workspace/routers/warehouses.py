"""SQL warehouses: one, always running, on the sandbox's Spark host. /api/2.0/sql/warehouses"""

from __future__ import annotations

from fastapi import APIRouter

from ..context import Here, Workspace
from ..errors import missing, unsupported
from ..principals import ADMIN
from ..store import Document
from ..uc.common import WORKSPACE_ID

router = APIRouter(prefix="/api/2.0/sql/warehouses", tags=["warehouses"])
WAREHOUSE_ID = "5a4db0c000000001"


def _warehouse(here: Workspace) -> Document:
    return {
        "id": WAREHOUSE_ID,
        "name": "sandbox",
        "cluster_size": "2X-Small",
        "min_num_clusters": 1,
        "max_num_clusters": 1,
        "num_clusters": 1,
        "auto_stop_mins": 0,
        "creator_name": ADMIN,
        "warehouse_type": "PRO",
        "enable_serverless_compute": True,
        "enable_photon": False,
        "state": "RUNNING" if here.spark.url else "STOPPED",
        "odbc_params": {
            "hostname": "127.0.0.1",
            "path": f"/sql/1.0/warehouses/{WAREHOUSE_ID}",
            "port": here.options.port,
            "protocol": "http",
        },
        "jdbc_url": f"jdbc:databricks://127.0.0.1/default;o={WORKSPACE_ID};httpPath=/sql/1.0/warehouses/{WAREHOUSE_ID}",
    }


def require_warehouse(identity: str) -> None:
    """Databricks' 404 for any but the one."""
    if identity != WAREHOUSE_ID:
        raise missing(f"SQL warehouse {identity} does not exist. The sandbox has one: {WAREHOUSE_ID}")


@router.get("")
def list_all(here: Here) -> Document:
    """The one."""
    return {"warehouses": [_warehouse(here)]}


@router.get("/{identity}")
def get(here: Here, identity: str) -> Document:
    """By id."""
    require_warehouse(identity)
    return _warehouse(here)


@router.post("/{identity}/start")
def start(identity: str) -> Document:
    """It runs."""
    require_warehouse(identity)
    return {}


@router.post("")
def create() -> Document:
    """Refused."""
    raise unsupported("The sandbox has one SQL warehouse, named sandbox; it makes no others")


@router.post("/{identity}/{action}")
def change(identity: str, action: str) -> Document:
    """Refused: stop, edit."""
    require_warehouse(identity)
    raise unsupported(f"The sandbox's SQL warehouse is always running; it takes no '{action}'")


@router.delete("/{identity}")
def delete(identity: str) -> Document:
    """Refused."""
    require_warehouse(identity)
    raise unsupported("The sandbox's SQL warehouse cannot be deleted")
