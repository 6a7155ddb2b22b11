"""What every router of the workspace gets: `Here`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from .aws import Aws
from .clock import Clock
from .options import Options
from .store import Store

if TYPE_CHECKING:
    from .jobs.service import JobService
    from .jobs.triggers import Triggers
    from .routers.statements import Statements
    from .spark_host import SparkHost
    from .spark_sessions import AdminSpark


@dataclass
class Workspace:
    """The workspace's parts. `spark` restarts by itself; `admin` follows it."""

    options: Options
    store: Store
    aws: Aws
    clock: Clock
    spark: SparkHost
    admin: AdminSpark
    statements: Statements
    loop: asyncio.AbstractEventLoop = field(init=False)
    jobs: JobService = field(init=False)
    triggers: Triggers = field(init=False)


def _of(request: Request) -> Workspace:
    workspace: Workspace = request.app.state.workspace
    return workspace


Here = Annotated[Workspace, Depends(_of)]
