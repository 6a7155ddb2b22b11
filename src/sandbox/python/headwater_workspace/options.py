"""The options file of `python -m headwater_workspace --options <file.json>`."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class OptionsError(Exception):
    """The options file cannot be used; the message names the field."""


@dataclass(frozen=True)
class Options:
    """What the sandbox tells the workspace.

    port: of the REST API, 0 = any free one. token: the bearer token every call needs. state_dir: everything
    that outlives the process. clock_scale: trigger polling, schedules and retry pauses run so many times
    faster. spark_jars: the folder made by `headwater_workspace.jars` (default: HEADWATER_SPARK_JARS).
    java_options: flags for the Spark host's JVM, behind ours (for long work: -XX:TieredStopAtLevel=4 -Xmx8g).
    managed_storage: "storageRoot" keeps managed tables where catalogs and schemas say, "local" always on
    disk. aws_data_endpoint: S3 for all data and for what is polled, if not aws_endpoint, where faults may be
    injected.
    """

    @property
    def data_endpoint(self) -> str:
        """Where S3 is, for data."""
        return self.aws_data_endpoint or self.aws_endpoint

    token: str
    state_dir: Path
    aws_endpoint: str
    aws_region: str
    spark_jars: Path
    port: int = 0
    clock_scale: float = 1.0
    managed_storage: str = "storageRoot"
    spark_conf: dict[str, str] = field(default_factory=dict)
    java_options: tuple[str, ...] = ()
    aws_data_endpoint: str = ""


_KNOWN = {
    "port",
    "token",
    "stateDir",
    "aws",
    "clockScale",
    "sparkConf",
    "sparkJars",
    "managedStorage",
    "javaOptions",
}


def load_options(file: Path) -> Options:
    """Reads and checks the options file. Raises OptionsError."""
    try:
        raw = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise OptionsError(f"{file}: {error}") from error
    if not isinstance(raw, dict):
        raise OptionsError(f"{file}: must be a JSON object")
    unknown = set(raw) - _KNOWN
    if unknown:
        raise OptionsError(f"{file}: unknown field {sorted(unknown)[0]}; known: {', '.join(sorted(_KNOWN))}")
    aws = raw.get("aws") or {}
    jars = raw.get("sparkJars") or os.environ.get("HEADWATER_SPARK_JARS")
    if not jars:
        raise OptionsError(f"{file}: sparkJars is missing: the folder made by `headwater_workspace.jars`")
    scale = raw.get("clockScale", 1)
    if not isinstance(scale, (int, float)) or scale <= 0:
        raise OptionsError(f"{file}: clockScale is {scale!r}; it must be a number above 0")
    managed = raw.get("managedStorage", "storageRoot")
    if managed not in ("storageRoot", "local"):
        raise OptionsError(f"{file}: managedStorage is {managed!r}; allowed: storageRoot, local")
    return Options(
        token=_text(file, raw, "token"),
        state_dir=Path(_text(file, raw, "stateDir")).absolute(),
        aws_endpoint=_text(file, aws, "endpoint", "aws."),
        aws_region=_text(file, aws, "region", "aws."),
        aws_data_endpoint=str(aws.get("dataEndpoint") or ""),
        spark_jars=Path(jars).absolute(),
        port=int(raw.get("port") or 0),
        clock_scale=float(scale),
        managed_storage=managed,
        java_options=tuple(str(one) for one in raw.get("javaOptions") or []),
        spark_conf={str(key): str(value) for key, value in (raw.get("sparkConf") or {}).items()},
    )


def _text(file: Path, raw: dict[str, Any], key: str, prefix: str = "") -> str:
    value = raw.get(key)
    if not isinstance(value, str) or not value:
        raise OptionsError(f"{file}: {prefix}{key} is missing or not text")
    return value
