"""pipeline.json: what the program tells the notebooks. Read strictly, so that a typo is an error and not a default."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .errors import HeadwaterError

HISTORY_COLUMNS = ("paper", "autoCdc")
TLS_MODES = ("require", "disable", "verify-full")
SCD_TYPES = (1, 2)
DELETE_POLICIES = ("close", "remove")
EXPORT_KINDS = ("postgresql", "mysql", "mariadb", "sqlserver")
EXPORT_MODES = ("upsert", "replace", "changes")
T = TypeVar("T")


@dataclass(frozen=True)
class Columns:
    """The columns DMS adds: operation, commit time, position within it, and the prefix of old key values."""

    op: str
    commit_time: str
    change_seq: str
    before_image_prefix: str


@dataclass(frozen=True)
class Rule:
    """What a table keeps. `scd_type` 1: current rows only. `track_history_on`: a change of other columns opens no
    version, but changes the current one; None: every column counts. `delete_policy`: a delete at the source ends a
    version (`close`), or takes away all that the key was until then (`remove`)."""

    scd_type: int = 2
    track_history_on: tuple[str, ...] | None = None
    delete_policy: str = "close"

    @property
    def removes(self) -> bool:
        return self.delete_policy == "remove"

    def __str__(self) -> str:
        tracks = "" if self.track_history_on is None else f", tracks {', '.join(self.track_history_on)}"
        return f"SCD type {self.scd_type}, {self.delete_policy}{tracks}"


@dataclass(frozen=True)
class Table:
    """One source table. `incoming` and `processed` are folders without a trailing slash."""

    source: str
    name: str
    keys: tuple[str, ...]
    incoming: str
    processed: str
    rule: Rule


@dataclass(frozen=True)
class Export:
    """A database to push current rows into. Holds the secrets' names, never their values."""

    kind: str
    mode: str
    deletes: str
    host: str
    port: int
    database: str
    schema: str
    tls: str
    secret_scope: str
    user_key: str
    password_key: str
    num_connections: int

    @property
    def place(self) -> str:
        return f"{self.kind}://{self.host}:{self.port}/{self.database}"


@dataclass(frozen=True)
class Pipeline:
    pipeline: str
    environment: str
    release: str
    catalog: str
    schema: str
    columns: Columns
    history_columns: str
    lateness_seconds: int
    tables: tuple[Table, ...]
    export: Export | None

    def select(self, names: str) -> Pipeline:
        """The same pipeline with the tables of a comma list only; an empty list means all."""
        wanted = [name.strip() for name in names.split(",") if name.strip()]
        known = {table.name: table for table in self.tables}
        for name in wanted:
            if name not in known:
                raise HeadwaterError(
                    "notebook/unknown-table", "is not a table of this pipeline", where="parameter tables",
                    found=name, allowed=", ".join(known) + ", or empty for all",
                )  # fmt: skip
        chosen = tuple(known[name] for name in dict.fromkeys(wanted)) or self.tables
        return Pipeline(**{**self.__dict__, "tables": chosen})


class Fields:
    """A JSON object whose fields are taken one by one; `done` refuses what nobody asked for."""

    def __init__(self, value: Any, where: str, field: str) -> None:
        self.where, self.field = where, field
        if not isinstance(value, Mapping):
            raise HeadwaterError(
                "config/wrong-type", "must be an object", where=where, field=field or None, found=value
            )
        self.rest = dict(value)

    def path(self, name: str) -> str:
        return f"{self.field}.{name}" if self.field else name

    def fail(
        self, name: str, summary: str, found: object = None, allowed: str | None = None
    ) -> HeadwaterError:
        return HeadwaterError(
            "config/invalid", summary, where=self.where, field=self.path(name), found=found, allowed=allowed,
            remedy="the program writes this file: deploy the stack again, or correct the file",
        )  # fmt: skip

    def take(self, name: str, kind: type[T], *allowed: T) -> T:
        if name not in self.rest:
            raise self.fail(name, "is missing")
        value = self.rest.pop(name)
        if not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool):
            raise self.fail(name, "has the wrong type", json.dumps(value), kind.__name__)
        if value == "" or (allowed and value not in allowed):
            choices = ", ".join(map(str, allowed)) or "a text that is not empty"
            raise self.fail(name, "has a value that is not allowed", json.dumps(value), choices)
        return value

    def given(self, name: str) -> bool:
        """Whether a field that may be null has a value. It must be there, and is gone when it is null."""
        if name not in self.rest:
            raise self.fail(name, "is missing", allowed="null or a value")
        if self.rest[name] is not None:
            return True
        del self.rest[name]
        return False

    def object(self, name: str) -> Fields:
        return Fields(self.take(name, dict), self.where, self.path(name))

    def done(self, result: T) -> T:
        for name in self.rest:
            raise self.fail(name, "is not a known field")
        return result


def _columns(entry: Fields, name: str) -> tuple[str, ...]:
    found = entry.take(name, list)
    if (
        not found
        or not all(isinstance(each, str) and each for each in found)
        or len(set(found)) != len(found)
    ):
        raise entry.fail(
            name, "must name columns of the table", json.dumps(found), "one or more distinct names"
        )
    return tuple(found)


def _rule(entry: Fields) -> Rule:
    tracked = _columns(entry, "trackHistoryOn") if entry.given("trackHistoryOn") else None
    policy = entry.take("deletePolicy", str, *DELETE_POLICIES)
    rule = Rule(entry.take("scdType", int, *SCD_TYPES), tracked, policy)
    if rule.scd_type == 1 and (tracked is not None or not rule.removes):
        raise entry.fail(
            "scdType", "keeps no history that could be tracked or closed", 1,
            "2, or 1 with trackHistoryOn null and deletePolicy remove",
        )  # fmt: skip
    return rule


def _table(entry: Fields) -> Table:
    source = entry.object("source")
    return entry.done(
        Table(
            source=source.done(f"{source.take('schema', str)}.{source.take('table', str)}"),
            name=entry.take("name", str),
            keys=_columns(entry, "keys"),
            incoming=entry.take("incoming", str).rstrip("/"),
            processed=entry.take("processed", str).rstrip("/"),
            rule=_rule(entry),
        )
    )


def _export(entry: Fields) -> Export:
    result = Export(
        kind=entry.take("kind", str, *EXPORT_KINDS),
        mode=entry.take("mode", str, *EXPORT_MODES),
        deletes=entry.take("deletes", str, "delete", "keep"),
        host=entry.take("host", str),
        port=entry.take("port", int),
        database=entry.take("database", str),
        schema=entry.take("schema", str),
        tls=entry.take("tls", str, *TLS_MODES),
        secret_scope=entry.take("secretScope", str),
        user_key=entry.take("userKey", str),
        password_key=entry.take("passwordKey", str),
        num_connections=entry.take("numConnections", int),
    )
    if result.num_connections < 1:
        raise entry.fail("numConnections", "is too small", result.num_connections, "1 or more")
    if result.mode == "replace" and result.deletes == "keep":
        raise entry.fail(
            "deletes", "contradicts the mode replace, which leaves nothing of the old table", "keep", "delete"
        )
    if result.kind in ("mysql", "mariadb") and result.schema != result.database:
        raise entry.fail(
            "schema", f"must be the database: {result.kind} has no schemas", result.schema, result.database
        )
    return entry.done(result)


def _each(top: Fields, name: str, build: Callable[[Fields], T]) -> tuple[T, ...]:
    entries = top.take(name, list)
    return tuple(build(Fields(entry, top.where, f"{name}[{index}]")) for index, entry in enumerate(entries))


def parse_pipeline(text: str, where: str = "pipeline.json") -> Pipeline:
    """Reads the file's text. Every error names the file and the field."""
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise HeadwaterError("config/not-json", f"is not JSON: {error}", where=where) from error
    top = Fields(content, where, "")
    top.take("version", int, 1)
    target, columns = top.object("target"), top.object("columns")
    export = _export(top.object("export")) if top.given("export") else None
    tables = _each(top, "tables", _table)
    names = [table.name for table in tables]
    if not tables or len(set(names)) != len(names):
        raise top.fail("tables", "must hold one or more tables of distinct names", names)
    return top.done(
        Pipeline(
            pipeline=top.take("pipeline", str),
            environment=top.take("environment", str),
            release=top.take("release", str),
            catalog=target.take("catalog", str),
            schema=target.done(target.take("schema", str)),
            columns=columns.done(
                Columns(
                    op=columns.take("op", str),
                    commit_time=columns.take("commitTime", str),
                    change_seq=columns.take("changeSeq", str),
                    before_image_prefix=columns.take("beforeImagePrefix", str),
                )
            ),
            history_columns=top.take("historyColumns", str, *HISTORY_COLUMNS),
            lateness_seconds=top.take("latenessSeconds", int),
            tables=tables,
            export=export,
        )
    )


def load_pipeline(path: str = "pipeline.json") -> Pipeline:
    """Reads pipeline.json beside the notebook: a notebook's folder is its working directory."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise HeadwaterError(
            "config/unreadable",
            f"cannot be read: {error.strerror}",
            where=path,
            remedy="deploy the stack again",
        ) from error
    return parse_pipeline(text, path)
