"""`python -m headwater_workspace --options <file.json>`.

Prints `{"ready": true, "port": ..., "sparkConnect": ...}` once every part answers; logs go to stderr. Ends,
with all it started, when its standard input closes or on SIGTERM; if it is killed, what it started notices
and ends too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn

from .context import Workspace
from .java import JavaMissing
from .options import Options, OptionsError, load_options
from .spark_host import SparkHostError

logger = logging.getLogger("headwater.workspace")


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        listener.close()
        raise OptionsError(
            f"port {port} of 127.0.0.1 cannot be had: {error.strerror}; choose another or 0"
        ) from error
    return listener


def _prepare(here: Workspace) -> None:
    """Waits until Spark answers, and makes schemas that a killed workspace did not get to make."""
    assert here.admin.sql("SELECT 1")[0][0] == 1
    for schema in here.store.all("schema"):
        catalog = here.store.get("catalog", schema["catalog_name"])
        if catalog:
            here.admin.create_schema(catalog, schema["name"], schema.get("storage_location"))


async def _serve(options: Options) -> int:
    ending = asyncio.Event()
    threading.Thread(
        target=_watch_stdin, args=(asyncio.get_running_loop(), ending), daemon=True, name="stdin"
    ).start()
    listener = _bind(options.port)
    from .server import make_app, make_workspace  # seconds of imports, not needed to refuse bad options

    options = replace(options, port=listener.getsockname()[1])
    here = make_workspace(options)
    app = make_app(here)
    server = uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", timeout_graceful_shutdown=3)
    )
    try:
        if not await _unless(ending, _start(here)):
            return 0
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(0.02)
        if server.started:
            print(
                json.dumps({"ready": True, "port": options.port, "sparkConnect": here.spark.url}), flush=True
            )
            await asyncio.wait({serving, asyncio.create_task(ending.wait())}, return_when="FIRST_COMPLETED")
        server.should_exit = True
        await serving
        return 0 if server.started else 1
    finally:
        await here.spark.stop()
        here.store.close()


async def _start(here: Workspace) -> None:
    await here.spark.start()
    await asyncio.to_thread(_prepare, here)


async def _unless(ending: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Whether the work was done before the end came."""
    doing, waiting = asyncio.create_task(work), asyncio.create_task(ending.wait())
    await asyncio.wait({doing, waiting}, return_when="FIRST_COMPLETED")
    waiting.cancel()
    if doing.done():
        doing.result()
        return True
    doing.cancel()
    await asyncio.gather(doing, return_exceptions=True)
    return False


def _watch_stdin(loop: asyncio.AbstractEventLoop, ending: asyncio.Event) -> None:
    while os.read(0, 4096):  # not sys.stdin: its lock, held here, would abort the interpreter's end
        pass
    with suppress(RuntimeError):  # the loop is closed: it has ended by itself
        loop.call_soon_threadsafe(ending.set)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="headwater_workspace")
    parser.add_argument("--options", type=Path, required=True, help="JSON file, see options.py")
    arguments = parser.parse_args()
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        return asyncio.run(_serve(load_options(arguments.options)))
    except (OptionsError, SparkHostError, JavaMissing) as error:
        print(f"workspace: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
