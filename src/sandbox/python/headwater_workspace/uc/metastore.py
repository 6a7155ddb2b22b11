"""The metastore the workspace is assigned to: one, made with the sandbox."""

from __future__ import annotations

from fastapi import APIRouter

from ..context import Here, Workspace
from ..errors import missing
from ..principals import ADMIN
from ..store import Document
from .common import METASTORE_ID, METASTORE_NAME, PREFIX, WORKSPACE_ID, metastore_root

router = APIRouter(prefix=PREFIX, tags=["metastore"])


def _info(here: Workspace) -> Document:
    return {
        "metastore_id": METASTORE_ID,
        "global_metastore_id": f"aws:{here.options.aws_region}:{METASTORE_ID}",
        "name": METASTORE_NAME,
        "cloud": "aws",
        "region": here.options.aws_region,
        "owner": ADMIN,
        "privilege_model_version": "1.0",
        "storage_root": str(metastore_root(here)),
        "delta_sharing_scope": "INTERNAL",
        "external_access_enabled": False,
        "created_by": ADMIN,
        "updated_by": ADMIN,
    }


@router.get("/current-metastore-assignment")
def current() -> Document:
    """Which metastore this workspace uses."""
    return {"workspace_id": WORKSPACE_ID, "metastore_id": METASTORE_ID, "default_catalog_name": "main"}


@router.get("/metastore_summary")
def summary(here: Here) -> Document:
    """The same, described."""
    return _info(here)


@router.get("/metastores")
def list_all(here: Here) -> Document:
    """The only one."""
    return {"metastores": [_info(here)]}


@router.get("/metastores/{metastore_id}")
def get(here: Here, metastore_id: str) -> Document:
    """One by id."""
    if metastore_id != METASTORE_ID:
        raise missing(f"Metastore '{metastore_id}' does not exist.", "METASTORE_DOES_NOT_EXIST")
    return _info(here)
