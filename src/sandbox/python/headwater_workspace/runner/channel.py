"""The child's side of the line to the workspace: JSON lines over a socket, one question at a time."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import threading
from typing import Any


class WorkspaceError(Exception):
    """What the workspace answered instead of a value: Databricks' code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Channel:
    """Ends the whole process group when the workspace is gone, however it went."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._answers: queue.Queue[dict[str, Any]] = queue.Queue()
        self._lock = threading.Lock()
        threading.Thread(target=self._read, daemon=True, name="workspace").start()

    def _read(self) -> None:
        with self._socket.makefile("r", encoding="utf-8") as lines:
            for line in lines:
                self._answers.put(json.loads(line))
        os.killpg(0, signal.SIGKILL)

    def receive(self) -> dict[str, Any]:
        """The next message."""
        return self._answers.get()

    def tell(self, message: dict[str, Any]) -> None:
        """Sends without waiting for an answer."""
        self._socket.sendall(json.dumps(message).encode() + b"\n")

    def ask(self, question: str, **fields: Any) -> Any:
        """Sends and waits. Raises WorkspaceError."""
        with self._lock:
            self.tell({"ask": question, **fields})
            answer = self.receive()
        if "error" in answer:
            raise WorkspaceError(answer.get("code", "INTERNAL_ERROR"), answer["error"])
        return answer.get("value")
