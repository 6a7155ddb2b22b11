"""Puts minilake's app, our routers and the workspace's parts together."""

from __future__ import annotations

import asyncio
import hmac
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import import_module

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from . import errors, principals
from .aws import Aws
from .clock import Clock
from .context import Workspace
from .jobs.service import JobService
from .jobs.triggers import Triggers
from .options import Options
from .routers.statements import Statements
from .spark_host import SparkHost
from .spark_sessions import AdminSpark
from .store import Store
from .uc.common import WORKSPACE_ID
from .workspace_objects import make_roots

# Ours come first; of minilake those are kept that need no engine behind them. Its catch-all answers 501 to
# the rest.
_OURS = (
    *(
        "uc.metastore",
        "uc.credentials",
        "uc.locations",
        "uc.catalogs",
        "uc.schemas",
        "uc.volumes",
        "uc.tables",
    ),
    *("uc.grants", "routers.files", "routers.objects", "routers.secrets", "routers.permissions"),
    *("routers.warehouses", "routers.statements", "jobs.api"),
)
_KEPT = ("identity", "scim", "clusters", "cluster_policies", "instance_pools", "workspace_admin", "catchall")


def make_workspace(options: Options) -> Workspace:
    """The parts, not started yet."""
    options.state_dir.mkdir(parents=True, exist_ok=True)
    admin = AdminSpark()
    here = Workspace(
        options=options,
        store=Store(options.state_dir / "workspace.sqlite"),
        aws=Aws(options.aws_endpoint, options.aws_region, options.data_endpoint),
        clock=Clock(options.clock_scale),
        spark=SparkHost(options, admin.reset, lambda: here.jobs.spark_died()),
        admin=admin,
        statements=Statements(),
    )
    admin.attach(here)
    here.jobs = JobService(here)
    here.triggers = Triggers(here)
    return here


def make_app(here: Workspace) -> FastAPI:
    """minilake's app with our routers in front, our error answers, authentication and persistence."""
    os.environ["MINILAKE_DATA_DIR"] = str(here.options.state_dir / "minilake")
    os.environ["MINILAKE_NOTEBOOK"] = "0"
    from minilake import services
    from minilake.app import create_app

    kept = {name: services.SERVICE_REGISTRY[name] for name in _KEPT}
    services.SERVICE_REGISTRY.clear()
    for name in _OURS:
        # Imported here: minilake would only log an import that fails.
        services.SERVICE_REGISTRY[f"headwater.{name}"] = import_module(f"{__package__}.{name}").__name__
    services.SERVICE_REGISTRY.update(kept)
    for name in kept:
        if services.get_service_module(name) is None:
            raise RuntimeError(f"minilake's service {name} could not be loaded")
    app = create_app()
    app.state.workspace = here
    app.router.lifespan_context = _lifespan
    errors.install(app)
    states = _MinilakeState(here, services.get_state_functions())
    states.restore()
    principals.seed()

    # Added in this order, the later one is the outer one.
    @app.middleware("http")
    async def persist(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await proceed(request)
        if request.method not in ("GET", "HEAD"):
            states.save()
        return response

    @app.middleware("http")
    async def authenticate(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
        response = _refusal(here, request) or await proceed(request)
        # By this header SDKs tell which workspace they talk to.
        response.headers["x-databricks-org-id"] = str(WORKSPACE_ID)
        return response

    return app


def _refusal(here: Workspace, request: Request) -> JSONResponse | None:
    if request.url.path == "/.well-known/databricks-config":  # asked by SDKs before they have a token
        base = f"http://127.0.0.1:{here.options.port}"
        return JSONResponse(
            {"oidc_endpoint": f"{base}/oidc", "workspace_id": str(WORKSPACE_ID), "cloud": "AWS"}
        )
    if not request.url.path.startswith("/api/"):
        return JSONResponse(
            {"error_code": "ENDPOINT_NOT_FOUND", "message": f"No API found for {request.url.path}"}, 404
        )
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not token:
        message = "Credential was not sent or was of an unsupported type for this API."
        return JSONResponse({"error_code": "UNAUTHENTICATED", "message": message}, 401)
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), here.options.token.encode()):
        return JSONResponse({"error_code": "403", "message": "Invalid access token."}, 403)
    return None


class _MinilakeState:
    """Stores what minilake's services hold in memory, whenever it changed."""

    def __init__(self, here: Workspace, functions: dict[str, dict[str, Callable[..., object]]]) -> None:
        self._here = here
        self._functions = {name: one for name, one in functions.items() if name in _KEPT}
        self._saved: dict[str, str] = {}

    def restore(self) -> None:
        for name, functions in self._functions.items():
            state = self._here.store.get("minilake", name)
            if state is not None:
                functions["restore_state"](state)
                self._saved[name] = json.dumps(state)

    def save(self) -> None:
        for name, functions in self._functions.items():
            state = functions["get_state"]()
            text = json.dumps(state)
            if self._saved.get(name) != text:
                self._saved[name] = text
                self._here.store.put("minilake", name, json.loads(text))


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    here: Workspace = app.state.workspace
    here.loop = asyncio.get_running_loop()
    make_roots(here)
    here.jobs.start()
    here.triggers.start()
    try:
        yield
    finally:
        await here.triggers.stop()
        await here.jobs.stop()
        here.statements.close()
        await asyncio.to_thread(here.admin.close)
