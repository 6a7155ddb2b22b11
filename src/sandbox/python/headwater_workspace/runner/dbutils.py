"""`dbutils` of a notebook: widgets, fs, notebook, secrets, jobs.

Calls and results as in docs.databricks.com/dev-tools/databricks-utils; what is not here says so.
"""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

from ..volume_files import NotAllowed, NotFound, VolumeFiles
from .channel import Channel, WorkspaceError


class NotebookExit(BaseException):
    """Ends the notebook with a value. Not an Exception: `except Exception` in a notebook must not catch
    it.
    """


class ExecutionError(Exception):
    """What dbutils raises; the message names the Java exception in front, as Databricks' does."""


class InputWidgetNotDefined(Exception):
    """A widget that neither the job nor the notebook defined."""


class FileInfo(NamedTuple):
    """One entry of dbutils.fs.ls."""

    path: str
    name: str
    size: int
    modificationTime: int  # noqa: N815 - Databricks' name

    def isDir(self) -> bool:  # noqa: N802 - Databricks' name
        """Whether it is a directory."""
        return self.name.endswith("/")

    def isFile(self) -> bool:  # noqa: N802 - Databricks' name
        """Whether it is a file."""
        return not self.isDir()


class _Unsupported:
    def __init__(self, where: str) -> None:
        self._where = where

    def __getattr__(self, name: str) -> Any:
        raise ExecutionError(
            f"(java.lang.UnsupportedOperationException) the sandbox has no {self._where}.{name}"
        )


class Widgets(_Unsupported):
    """Values given by the job come first, then the notebook's own defaults."""

    def __init__(self, given: dict[str, str]) -> None:
        super().__init__("dbutils.widgets")
        self._given = dict(given)
        self._defaults: dict[str, str] = {}

    def text(self, name: str, defaultValue: str = "", label: str | None = None) -> None:  # noqa: N803
        """Defines a widget with a default."""
        self._defaults[name] = str(defaultValue)

    def dropdown(self, name: str, defaultValue: str, choices: list[str], label: str | None = None) -> None:  # noqa: N803
        """Defines a widget with a default among choices."""
        if defaultValue not in choices:
            raise ExecutionError(
                f"(java.lang.IllegalArgumentException) {defaultValue} is not one of {choices}"
            )
        self.text(name, defaultValue)

    combobox = dropdown
    multiselect = dropdown

    def get(self, name: str) -> str:
        """The value. Raises InputWidgetNotDefined."""
        if name in self._given:
            return self._given[name]
        if name in self._defaults:
            return self._defaults[name]
        raise InputWidgetNotDefined(f"No input widget named {name} is defined")

    def getArgument(self, name: str, defaultValue: str | None = None) -> str:  # noqa: N802, N803
        """The value, or the default given here."""
        if defaultValue is not None and name not in self._given and name not in self._defaults:
            return defaultValue
        return self.get(name)

    def getAll(self) -> dict[str, str]:  # noqa: N802
        """Every value by name."""
        return {**self._defaults, **self._given}

    def remove(self, name: str) -> None:
        """Takes one away."""
        self._defaults.pop(name, None)

    def removeAll(self) -> None:  # noqa: N802
        """Takes all of the notebook's own away."""
        self._defaults.clear()


class Fs(_Unsupported):
    """Files of volumes, straight on S3."""

    def __init__(self, files: VolumeFiles) -> None:
        super().__init__("dbutils.fs")
        self._files = files

    def _do(self, work: Any) -> Any:
        try:
            return work()
        except NotFound as error:
            raise ExecutionError(f"(java.io.FileNotFoundException) {error}") from error
        except NotAllowed as error:
            raise ExecutionError(
                f"(java.nio.file.AccessDeniedException) PERMISSION_DENIED: {error}"
            ) from error
        except ValueError as error:
            raise ExecutionError(f"(java.io.IOException) {error}") from error

    def ls(self, dir: str) -> list[FileInfo]:
        """A directory's entries, or the file itself."""
        return [
            FileInfo(f"dbfs:{one.path}{'/' if one.is_directory else ''}", one.name, one.size, one.modified)
            for one in self._do(lambda: self._files.list(dir))
        ]

    def head(self, file: str, max_bytes: int = 65536) -> str:
        """The first bytes as text."""
        body: bytes = self._do(lambda: self._files.read(file, max_bytes))
        return body.decode("utf-8", errors="replace")

    def put(self, file: str, contents: str, overwrite: bool = False) -> bool:
        """Writes text."""

        def write() -> None:
            if not overwrite:
                try:
                    self._files.status(file)
                except NotFound:
                    pass
                else:
                    raise ValueError(f"file already exists: {file}")
            self._files.write(file, contents.encode())

        self._do(write)
        print(f"Wrote {len(contents.encode())} bytes.")
        return True

    def mkdirs(self, dir: str) -> bool:
        """Makes a directory."""
        self._do(lambda: self._files.make_directory(dir))
        return True

    def rm(self, dir: str, recurse: bool = False) -> bool:
        """Deletes; False if there was nothing."""
        try:
            self._files.status(dir)
        except NotFound:
            return False
        except NotAllowed:
            pass  # told below, in Databricks' words
        self._do(lambda: self._files.delete(dir, recurse))
        return True

    def cp(self, source: str, destination: str, recurse: bool = False) -> bool:
        """Copies."""
        self._do(lambda: self._files.copy(source, destination, recurse))
        return True

    def mv(self, source: str, destination: str, recurse: bool = False) -> bool:
        """Moves: a copy and a delete per file, not atomic, as on S3."""
        self._do(lambda: self._files.copy(source, destination, recurse, move=True))
        return True


class Notebook(_Unsupported):
    """dbutils.notebook."""

    def __init__(self) -> None:
        super().__init__("dbutils.notebook")

    def exit(self, value: str) -> None:
        """Ends the notebook; the value is the run's notebook_output.result."""
        raise NotebookExit(str(value))


class SecretScope(NamedTuple):
    """One scope of dbutils.secrets.listScopes."""

    name: str


class SecretMetadata(NamedTuple):
    """One key of dbutils.secrets.list."""

    key: str


class Secrets(_Unsupported):
    """Values come from the workspace, which from then on hides them in this run's output."""

    def __init__(self, channel: Channel) -> None:
        super().__init__("dbutils.secrets")
        self._channel = channel

    def _ask(self, question: str, **fields: str) -> Any:
        try:
            return self._channel.ask(question, **fields)
        except WorkspaceError as error:
            raise ExecutionError(f"(java.lang.IllegalArgumentException) {error.code}: {error}") from error

    def getBytes(self, scope: str, key: str) -> bytes:  # noqa: N802
        """A secret's bytes."""
        return base64.b64decode(self._ask("secret", scope=scope, key=key))

    def get(self, scope: str, key: str) -> str:
        """A secret as text."""
        return self.getBytes(scope, key).decode()

    def list(self, scope: str) -> list[SecretMetadata]:
        """Keys of a scope."""
        return [SecretMetadata(key) for key in self._ask("secretKeys", scope=scope)]

    def listScopes(self) -> Any:  # noqa: N802
        """Every scope."""
        return [SecretScope(name) for name in self._ask("secretScopes")]


class TaskValues:
    """dbutils.jobs.taskValues."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def set(self, key: str, value: Any) -> None:
        """Keeps a JSON value for later tasks of the same run."""
        self._channel.ask("setTaskValue", key=key, value=value)

    def get(self, taskKey: str, key: str, default: Any = None, debugValue: Any = None) -> Any:  # noqa: N803
        """Another task's value. Without one and without a default: an error."""
        found: list[Any] = self._channel.ask("getTaskValue", task=taskKey, key=key)
        if found:
            return found[0]
        if default is None:
            raise ValueError(f"Task key does not exist in run or value not set: {taskKey}.{key}")
        return default


class Jobs(_Unsupported):
    """dbutils.jobs."""

    def __init__(self, channel: Channel) -> None:
        super().__init__("dbutils.jobs")
        self.taskValues = TaskValues(channel)  # noqa: N815


class DbUtils(_Unsupported):
    """The global `dbutils`."""

    def __init__(self, channel: Channel, files: VolumeFiles, parameters: dict[str, str]) -> None:
        super().__init__("dbutils")
        self.widgets = Widgets(parameters)
        self.fs = Fs(files)
        self.notebook = Notebook()
        self.secrets = Secrets(channel)
        self.jobs = Jobs(channel)
