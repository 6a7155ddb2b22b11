"""The workspace's side of runs: processes kept warm, assignments, output, and the end of a run."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ApiError

_CAPTURED = 5 * 1024 * 1024  # Databricks' limit for run output
_LINE_LIMIT = 64 * 1024 * 1024
# Neither the workspace's token nor anybody's credentials belong into a notebook's environment.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "VIRTUAL_ENV", "SSL_CERT_FILE")
_PACKAGE_PARENT = Path(__file__).resolve().parents[2]

Answer = Callable[[dict[str, Any]], Awaitable[Any]]


@dataclass
class Output:
    """What a run wrote, with the secrets it read hidden. `text` is the last 5 MB."""

    raw: bytearray = field(default_factory=bytearray)
    secrets: set[str] = field(default_factory=set)
    truncated: bool = False

    def add(self, part: bytes) -> None:
        """Appends; drops from the front what is over twice the limit (the slack keeps cut secrets out of
        sight).
        """
        self.raw += part
        if len(self.raw) > 2 * _CAPTURED:
            del self.raw[: len(self.raw) - 2 * _CAPTURED]
            self.truncated = True

    def redact(self, text: str) -> str:
        """With every secret replaced, longest first: one may contain another."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, "[REDACTED]")
        return text

    @property
    def text(self) -> str:
        """The end of it."""
        text = self.redact(self.raw.decode(errors="replace"))
        if len(text) > _CAPTURED:
            self.truncated = True
            text = text[-_CAPTURED:]
        return text


class RunnerDied(Exception):
    """The process ended without telling how the notebook ended."""


class Runner:
    """One process, for one run."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.process = process
        self._reader = reader
        self._writer = writer
        self.output = Output()
        self._capture = asyncio.create_task(self._read_output())

    async def _read_output(self) -> None:
        assert self.process.stdout
        while part := await self.process.stdout.read(65536):
            self.output.add(part)

    def _send(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def run(self, assignment: dict[str, Any], answer: Answer) -> dict[str, Any]:
        """Gives the assignment, answers the child's questions, returns its outcome. Raises RunnerDied."""
        self._send(assignment)
        while True:
            try:
                line = await self._reader.readline()
            except ConnectionError:
                line = b""
            if not line:
                code = await self.process.wait()
                await self._capture
                raise RunnerDied(f"The Python process of the run ended unexpectedly ({_meaning(code)})")
            message = json.loads(line)
            if "finished" in message:
                await self._drain()
                outcome: dict[str, Any] = message["finished"]
                for key in ("result", "error", "trace"):
                    if outcome.get(key):
                        outcome[key] = self.output.redact(outcome[key])
                return outcome
            try:
                self._send({"value": await answer(message)})
            except ApiError as error:
                self._send({"error": error.message, "code": error.error_code})

    async def _drain(self) -> None:
        """The child flushed before it told; let it go and read what is in the pipe."""
        self._send({"end": True})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), 10)
        self.kill()
        await self.process.wait()
        await self._capture

    def kill(self) -> None:
        """Ends the process and everything it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """Kills and waits."""
        self.kill()
        await self.process.wait()
        await self._capture
        self._writer.close()


def _meaning(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


class RunnerPool:
    """Keeps one process ready, so that a run does not wait for imports."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spare: asyncio.Task[Runner] | None = None
        self._closed = False

    async def _spawn(self) -> Runner:
        ours, theirs = socket.socketpair()
        environment = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
        environment |= {
            "PYTHONPATH": str(_PACKAGE_PARENT),
            "PYTHONUNBUFFERED": "1",
            "PYTHONIOENCODING": "utf-8:backslashreplace",
        }
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "headwater_workspace.runner.child", str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                cwd=self._folder,
                env=environment,
            )
        finally:
            theirs.close()
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=_LINE_LIMIT)
        return Runner(process, reader, writer)

    def warm(self) -> None:
        """Starts the spare process if there is none."""
        if self._spare is None and not self._closed:
            self._spare = asyncio.create_task(self._spawn())

    async def take(self) -> Runner:
        """A process of one's own; the next spare is started."""
        while True:
            spare, self._spare = self._spare, None
            runner = await (spare or self._spawn())
            self.warm()
            if runner.process.returncode is None:
                return runner
            await runner.close()

    async def close(self) -> None:
        """Ends the spare."""
        self._closed = True
        if self._spare:
            runner = await self._spare
            await runner.close()
