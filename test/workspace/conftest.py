"""A real workspace on a real Spark host and moto, once per test session."""

from __future__ import annotations

import base64
import io
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service import catalog as uc
from databricks.sdk.service import jobs, workspace
from headwater_workspace.jars import digest, ensure_jars
from headwater_workspace.uc.roles import MASTER_ROLE

PYTHON_ROOT = Path(__file__).resolve().parents[2] / "src" / "sandbox" / "python"
TOKEN = "token-of-the-test-workspace"
REGION = "eu-west-1"
ACCOUNT = "123456789012"
SCALE = 60


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(condition: Callable[[], Any], seconds: float = 60, what: str = "the condition") -> Any:
    """The first true answer. Fails after the given time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.2)
    raise AssertionError(f"{what} did not come true within {seconds} s")


@pytest.fixture(scope="session")
def spark_jars() -> str:
    """HEADWATER_SPARK_JARS, or a folder fetched once per user."""
    given = os.environ.get("HEADWATER_SPARK_JARS")
    name = f"headwater-jars-{os.getuid()}-{digest()[:12]}"
    return str(ensure_jars(Path(given) if given else Path(tempfile.gettempdir()) / name))


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of a moto server."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"

    def up() -> bool:
        try:
            return urllib.request.urlopen(f"{url}/moto-api/", timeout=2).status == 200
        except OSError:
            return False

    try:
        wait_for(up, 60, "moto")
        yield url
    finally:
        process.kill()
        process.wait()


@dataclass
class Started:
    """A workspace process."""

    process: subprocess.Popen[str]
    url: str
    state: Path

    def stop(self) -> int:
        """Ends it the way the sandbox does: by closing its standard input."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(30)


def start_workspace(state: Path, moto_url: str, spark_jars: str, scale: float = SCALE) -> Started:
    """Starts a workspace and waits for its ready line."""
    options = state.parent / f"{state.name}.json"
    aws = {"endpoint": moto_url, "region": REGION}
    options.write_text(
        json.dumps(
            {
                "port": 0,
                "token": TOKEN,
                "stateDir": str(state),
                "aws": aws,
                "clockScale": scale,
                "sparkJars": spark_jars,
            }
        )
    )
    log = (state.parent / f"{state.name}.log").open("a")
    process = subprocess.Popen(
        [sys.executable, "-m", "headwater_workspace", "--options", str(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=os.environ | {"PYTHONPATH": str(PYTHON_ROOT)},
    )
    assert process.stdout
    ready, _, _ = select.select([process.stdout], [], [], 150)
    line = process.stdout.readline() if ready else ""
    if not line:
        process.kill()
        raise AssertionError(f"the workspace did not start: {Path(log.name).read_text()}")
    return Started(process, f"http://127.0.0.1:{json.loads(line)['port']}", state)


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory, moto: str, spark_jars: str) -> Iterator[Started]:
    """The workspace most tests share."""
    one = start_workspace(tmp_path_factory.mktemp("workspace") / "state", moto, spark_jars)
    yield one
    assert one.stop() == 0


def client(url: str) -> WorkspaceClient:
    """Databricks' SDK, unmodified."""
    return WorkspaceClient(host=url, token=TOKEN)


@pytest.fixture(scope="session")
def w(started: Started) -> WorkspaceClient:
    """The SDK's client of the shared workspace."""
    return client(started.url)


@pytest.fixture(scope="session")
def aws(moto: str) -> Callable[[str], Any]:
    """boto3 clients of the moto server."""

    def make(service: str) -> Any:
        return boto3.session.Session().client(
            service,
            endpoint_url=moto,
            region_name=REGION,
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",
        )

    return make


def name(prefix: str) -> str:
    """A name no other test uses."""
    return f"{prefix}_{uuid.uuid4().hex[:8]}"


def make_role(iam: Any, role: str, external_id: str, bucket: str, actions: list[str] | None = None) -> str:
    """The role a storage credential wants: trusted by Unity Catalog and by itself, with access to the
    bucket.
    """
    arn = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    external = {"StringEquals": {"sts:ExternalId": external_id}}
    itself = external | {"ArnLike": {"aws:PrincipalArn": arn}}
    root = f"arn:aws:iam::{ACCOUNT}:root"
    trust = [
        {
            "Effect": "Allow",
            "Principal": {"AWS": MASTER_ROLE},
            "Action": "sts:AssumeRole",
            "Condition": external,
        },
        {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "sts:AssumeRole", "Condition": itself},
    ]
    iam.create_role(
        RoleName=role, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": trust})
    )
    allowed = actions or ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"]
    policy = {
        "Effect": "Allow",
        "Action": allowed,
        "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"],
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
    iam.put_role_policy(RoleName=role, PolicyName="data", PolicyDocument=document)
    return arn


@dataclass
class Lake:
    """A bucket in Unity Catalog: location, catalog, schema `crm` and two volumes, with a service
    principal.
    """

    bucket: str
    catalog: str
    credential: str
    location: str
    principal: str

    @property
    def incoming(self) -> str:
        """The volume DMS would write to."""
        return f"/Volumes/{self.catalog}/crm/t_incoming"

    @property
    def processed(self) -> str:
        """The volume files are moved to."""
        return f"/Volumes/{self.catalog}/crm/t_processed"


def make_lake(w: WorkspaceClient, aws: Callable[[str], Any]) -> Lake:
    """As the pipeline's stack makes it: credential, role, location, catalog, schema, volumes, grants."""
    bucket, catalog = name("lake").replace("_", "-"), name("sales")
    aws("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    arn = f"arn:aws:iam::{ACCOUNT}:role/{catalog}"
    credential = w.storage_credentials.create(
        name=f"{catalog}_cred", aws_iam_role=uc.AwsIamRoleRequest(role_arn=arn), skip_validation=True
    )
    assert credential.aws_iam_role and credential.aws_iam_role.external_id
    make_role(aws("iam"), catalog, credential.aws_iam_role.external_id, bucket)
    location = w.external_locations.create(
        name=f"{catalog}_loc", url=f"s3://{bucket}/", credential_name=f"{catalog}_cred"
    )
    w.catalogs.create(name=catalog)
    w.schemas.create(name="crm", catalog_name=catalog)
    for folder in ("incoming", "processed"):
        w.volumes.create(
            catalog_name=catalog,
            schema_name="crm",
            name=f"t_{folder}",
            volume_type=uc.VolumeType.EXTERNAL,
            storage_location=f"s3://{bucket}/{folder}/shop/t",
        )
    principal = w.service_principals.create(display_name=f"{catalog} runs")
    assert principal.application_id and location.name
    w.grants.update(
        "CATALOG",
        catalog,
        changes=[
            uc.PermissionsChange(
                principal=principal.application_id,
                add=[
                    uc.Privilege.USE_CATALOG,
                    uc.Privilege.USE_SCHEMA,
                    uc.Privilege.READ_VOLUME,
                    uc.Privilege.WRITE_VOLUME,
                    uc.Privilege.CREATE_TABLE,
                ],
            )
        ],
    )
    return Lake(bucket, catalog, f"{catalog}_cred", location.name, principal.application_id)


@pytest.fixture(scope="session")
def lake(w: WorkspaceClient, aws: Callable[[str], Any]) -> Lake:
    """The lake tests share."""
    return make_lake(w, aws)


def parquet(rows: list[dict[str, Any]]) -> bytes:
    """Rows as a parquet file."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def put_notebook(w: WorkspaceClient, path: str, source: str) -> str:
    """Imports a Python notebook, with its folder."""
    w.workspace.mkdirs(path.rsplit("/", 1)[0])
    w.workspace.import_(
        path,
        content=base64.b64encode(f"# Databricks notebook source\n{source}".encode()).decode(),
        format=workspace.ImportFormat.SOURCE,
        language=workspace.Language.PYTHON,
        overwrite=True,
    )
    return path


def notebook_task(path: str, key: str = "main", **fields: Any) -> jobs.Task:
    """A task that runs a notebook."""
    parameters = fields.pop("parameters", None)
    notebook = jobs.NotebookTask(notebook_path=path, base_parameters=parameters)
    return jobs.Task(task_key=key, notebook_task=notebook, **fields)


def run_once(w: WorkspaceClient, source: str, **fields: Any) -> tuple[jobs.Run, jobs.RunOutput]:
    """Runs a notebook in a job of its own; the run and the output of its task."""
    path = put_notebook(w, f"/Shared/{name('nb')}/main", source)
    job_parameters = fields.pop("job_parameters", None)
    job = w.jobs.create(name=name("job"), tasks=[notebook_task(path, **fields.pop("task", {}))], **fields)
    run_id = w.jobs.run_now(job.job_id or 0, job_parameters=job_parameters).run_id
    run = ended(w, run_id)
    assert run.tasks
    return run, w.jobs.get_run_output(run.tasks[0].run_id or 0)


def ended(w: WorkspaceClient, run_id: int, seconds: float = 90) -> jobs.Run:
    """The run once it has ended, however it did."""

    def done() -> jobs.Run | None:
        run = w.jobs.get_run(run_id)
        assert run.state and run.state.life_cycle_state
        finished = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")
        return run if run.state.life_cycle_state.value in finished else None

    found: jobs.Run = wait_for(done, seconds, f"the end of run {run_id}")
    return found
