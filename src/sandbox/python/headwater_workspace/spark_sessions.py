"""Sessions on the Spark host: what a principal's session sees, and the workspace's own session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pyspark.errors import PySparkException
from pyspark.sql.connect.client import SparkConnectClient
from pyspark.sql.connect.client.retries import DefaultPolicy
from pyspark.sql.connect.session import SparkSession

from . import principals
from .aws import S3Url
from .clock import now_ms
from .errors import ApiError, missing
from .store import Document

if TYPE_CHECKING:
    from .context import Workspace

CATALOG_CLASS = "headwater.sandbox.SandboxCatalog"


@dataclass
class SessionPlan:
    """What a session is opened with. `volumes`: /Volumes/... -> s3://...; `notes`: what is left out, and
    why.
    """

    conf: dict[str, str] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)
    writable: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def catalog_conf(here: Workspace, catalog: Document) -> dict[str, str]:
    """The Spark configuration that makes a catalog of the API a catalog of a session."""
    key = f"spark.sql.catalog.{catalog['name']}"
    conf = {key: CATALOG_CLASS}
    if catalog.get("storage_location") and here.options.managed_storage == "storageRoot":
        conf[f"{key}.storageRoot"] = _s3a(catalog["storage_location"])
    return conf


def _s3a(url: str) -> str:
    return f"s3a://{url.partition('://')[2]}"


def plan_session(here: Workspace, principal: str) -> SessionPlan:
    """Catalogs and volumes the principal may use. A volume's storage credential must work, as on
    Databricks.
    """
    from .uc.grants import holds
    from .uc.roles import RoleProblem, check_trust

    plan = SessionPlan()
    usable: set[str] = set()
    for catalog in here.store.all("catalog"):
        if holds(here, principal, "USE_CATALOG", "CATALOG", catalog["name"]):
            usable.add(catalog["name"])
            plan.conf |= catalog_conf(here, catalog)
        else:
            plan.notes.append(f"{principal} does not have USE CATALOG on Catalog '{catalog['name']}'")
    problems: dict[str, str | None] = {}
    for volume in here.store.all("volume"):
        name = volume["full_name"]
        schema = f"{volume['catalog_name']}.{volume['schema_name']}"
        if volume["catalog_name"] not in usable:
            continue
        if not holds(here, principal, "USE_SCHEMA", "SCHEMA", schema):
            plan.notes.append(
                f"{principal} does not have USE SCHEMA on Schema '{schema}'; no access to Volume '{name}'"
            )
            continue
        if not holds(here, principal, "READ_VOLUME", "VOLUME", name):
            plan.notes.append(f"{principal} does not have READ VOLUME on Volume '{name}'")
            continue
        location = _location(here, volume)
        credential = here.store.get("credential", location["credential_name"]) if location else None
        if credential:
            if credential["name"] not in problems:
                try:
                    check_trust(here, credential)
                    problems[credential["name"]] = None
                except RoleProblem as problem:
                    problems[credential["name"]] = str(problem)
            if problems[credential["name"]]:
                plan.notes.append(f"no access to Volume '{name}': {problems[credential['name']]}")
                continue
        path = f"/Volumes/{name.replace('.', '/')}"
        plan.volumes[path] = volume["storage_location"]
        plan.conf[f"fs.viewfs.mounttable.default.link.{path}"] = _s3a(volume["storage_location"])
        if holds(here, principal, "WRITE_VOLUME", "VOLUME", name):
            plan.writable.append(path)
    return plan


def _location(here: Workspace, volume: Document) -> Document | None:
    from .uc.common import location_of

    return location_of(here, S3Url.parse(volume["storage_location"]))


class _Brief(DefaultPolicy):
    """pyspark's policy would go on for ten minutes when the host is gone."""

    def __init__(self) -> None:
        super().__init__(max_retries=3, initial_backoff=50, max_backoff=500)


def open_session(url: str, conf: dict[str, str] | None = None) -> SparkSession:
    """A session for the workspace itself, that gives up soon when the Spark host does not answer."""
    session = SparkSession.builder.remote(url).config(map=conf or {}).create()
    session.client.set_retry_policies([_Brief()])
    return session


def interrupt(url: str) -> None:
    """Ends what the session named in the URL does, and the session."""
    client = SparkConnectClient(url)
    client.set_retry_policies([_Brief()])
    try:
        client.interrupt_all()
        time.sleep(0.3)  # a session whose operation is just ending cannot be released
        client.release_session()
    except Exception:  # noqa: BLE001 - no such session, or no Spark host: nothing is left to end
        return
    finally:
        client.close()


class AdminSpark:
    """The workspace's own Spark session: schemas and tables on behalf of the REST API. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._here: Workspace | None = None
        self._session: SparkSession | None = None
        self._url: str | None = None
        self._known: set[str] = set()

    def attach(self, here: Workspace) -> None:
        """Tells it the workspace it works for."""
        self._here = here

    def reset(self) -> None:
        """Forgets the session, for example when the Spark host was restarted."""
        with self._lock:
            self._session = None
            self._known.clear()

    def close(self) -> None:
        """Ends the session. Errors do not matter any more: the host may be gone."""
        with self._lock:
            session, self._session = self._session, None
        if session is not None:
            try:
                session.stop()
            except Exception:  # noqa: BLE001 - gRPC raises all kinds when the other side is gone
                return

    def session(self) -> SparkSession:
        """An open session that knows every catalog. Raises TEMPORARILY_UNAVAILABLE while there is no
        Spark.
        """
        with self._lock:
            assert self._here
            url = self._here.spark.url
            if url is None:
                raise ApiError("TEMPORARILY_UNAVAILABLE", "The sandbox's Spark host is not running", 503)
            if self._session is None or url != self._url:
                self._session = open_session(url)
                self._url = url
                self._known.clear()
            for catalog in self._here.store.all("catalog"):
                if catalog["name"] not in self._known:
                    for key, value in catalog_conf(self._here, catalog).items():
                        self._session.conf.set(key, value)
                    self._known.add(catalog["name"])
            return self._session

    def sql(self, statement: str) -> list[Any]:
        """Runs a statement and returns its rows. What Spark refuses is BAD_REQUEST with Spark's message."""
        return self._do(lambda session: session.sql(statement).collect())

    def _do(self, work: Callable[[SparkSession], list[Any]]) -> list[Any]:
        for attempt in (1, 2):
            try:
                return work(self.session())
            except PySparkException as error:
                if "SESSION_CLOSED" in str(error) or "SESSION_NOT_FOUND" in str(error) and attempt == 1:
                    self.reset()
                    continue
                raise ApiError("BAD_REQUEST", str(error), 400) from error
            except ApiError:
                raise
            except Exception as error:
                self.reset()
                raise ApiError(
                    "TEMPORARILY_UNAVAILABLE", f"The sandbox's Spark host failed: {error}", 503
                ) from error
        raise ApiError("TEMPORARILY_UNAVAILABLE", "The sandbox's Spark host closed the session twice", 503)

    def create_schema(self, catalog: Document, name: str, location: str | None) -> None:
        """Makes the schema; `location` (s3://) is where its managed tables go."""
        assert self._here
        where = ""
        if location and self._here.options.managed_storage == "storageRoot":
            where = f" LOCATION '{_s3a(location)}'"
        self.sql(f"CREATE SCHEMA IF NOT EXISTS `{catalog['name']}`.`{name}`{where}")

    def drop_schema(self, catalog: Document, name: str) -> None:
        """With all its tables."""
        self.sql(f"DROP SCHEMA IF EXISTS `{catalog['name']}`.`{name}` CASCADE")

    def schemas(self, catalog: Document) -> list[str]:
        """Names of the catalog's schemas."""
        return [row[0] for row in self.sql(f"SHOW SCHEMAS IN `{catalog['name']}`")]

    def tables(self, catalog: Document, schema: str) -> list[str]:
        """Names of the schema's tables and views."""
        return sorted(row["tableName"] for row in self.sql(f"SHOW TABLES IN `{catalog['name']}`.`{schema}`"))

    def table_exists(self, full_name: str) -> bool:
        """For a three-level name."""
        parts = full_name.lower().split(".")
        if len(parts) != 3 or self._here is None or self._here.store.get("catalog", parts[0]) is None:
            return False
        return bool(self._do(lambda session: [session.catalog.tableExists(full_name)])[0])

    def require_table(self, full_name: str) -> None:
        """Raises Databricks' 404."""
        if not self.table_exists(full_name):
            raise missing(f"Table '{full_name}' does not exist.", "TABLE_DOES_NOT_EXIST")

    def _is_view(self, full_name: str) -> bool:
        catalog, schema, name = full_name.split(".")
        return any(row["viewName"] == name for row in self.sql(f"SHOW VIEWS IN `{catalog}`.`{schema}`"))

    def describe_table(self, full_name: str) -> Document:
        """What Unity Catalog tells of a table, read from Spark and Delta."""
        full_name = full_name.lower()
        fields = self._do(lambda session: list(session.table(full_name).schema.fields))
        described: Document = {"fields": fields, "id": None, "properties": {}, "location": None}
        if self._is_view(full_name):
            now = now_ms()
            return described | {"table_type": "VIEW", "format": None, "created_at": now, "updated_at": now}
        detail = self.sql(f"DESCRIBE DETAIL {full_name}")[0].asDict()
        extended = {row[0]: row[1] for row in self.sql(f"DESCRIBE TABLE EXTENDED {full_name}")}
        described |= {
            "table_type": extended.get("Type", "MANAGED"),
            "format": str(detail["format"]).upper(),
            "location": detail["location"],
            "id": detail.get("id"),
            "properties": dict(detail.get("properties") or {}),
        }
        for key, column in (("created_at", "createdAt"), ("updated_at", "lastModified")):
            described[key] = int(detail[column].timestamp() * 1000) if detail.get(column) else None
        return described

    def drop_table(self, full_name: str) -> None:
        """A table or a view."""
        kind = "VIEW" if self._is_view(full_name.lower()) else "TABLE"
        self.sql(f"DROP {kind} IF EXISTS {full_name}")


def owner_of_runs(settings: Document) -> str:
    """The principal a job runs as: `run_as`, else whoever made it (here: the administrator)."""
    run_as = settings.get("run_as") or {}
    return str(run_as.get("service_principal_name") or run_as.get("user_name") or principals.ADMIN)
