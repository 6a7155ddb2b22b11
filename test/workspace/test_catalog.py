"""Unity Catalog, files, workspace objects, secrets and permissions, through Databricks' SDK."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from conftest import ACCOUNT, REGION, Lake, make_role, name, notebook_task, put_notebook
from databricks.sdk import WorkspaceClient, errors
from databricks.sdk.service import catalog as uc
from databricks.sdk.service import iam, jobs, workspace


def _credential(w: WorkspaceClient, role: str, skip: bool = True) -> uc.StorageCredentialInfo:
    request = uc.AwsIamRoleRequest(role_arn=f"arn:aws:iam::{ACCOUNT}:role/{role}")
    return w.storage_credentials.create(name=role, aws_iam_role=request, skip_validation=skip)


def _bucket(aws: Callable[[str], Any]) -> str:
    bucket = name("b").replace("_", "-")
    aws("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return bucket


def test_a_storage_credential_tells_external_id_and_validates_its_role(
    w: WorkspaceClient, aws: Callable[[str], Any]
) -> None:
    role, bucket = name("role"), _bucket(aws)
    with pytest.raises(errors.PermissionDenied, match="cannot be assumed"):
        _credential(w, role, skip=False)
    credential = _credential(w, role)
    told = credential.aws_iam_role
    assert told and told.external_id and told.unity_catalog_iam_arn
    assert told.unity_catalog_iam_arn.startswith(
        "arn:aws:iam::414351767826:role/unity-catalog-prod-UCMasterRole"
    )
    with pytest.raises(errors.PermissionDenied, match="does not have READ permissions on url"):
        w.external_locations.create(name=role, url=f"s3://{bucket}/", credential_name=role)
    make_role(aws("iam"), role, "another external id", bucket)
    with pytest.raises(errors.PermissionDenied, match="external id"):
        w.external_locations.create(name=role, url=f"s3://{bucket}/", credential_name=role)
    aws("iam").delete_role_policy(RoleName=role, PolicyName="data")
    aws("iam").delete_role(RoleName=role)
    make_role(aws("iam"), role, told.external_id, bucket, ["s3:GetObject", "s3:ListBucket"])
    with pytest.raises(errors.PermissionDenied, match="does not have WRITE permissions"):
        w.external_locations.create(name=role, url=f"s3://{bucket}/", credential_name=role)
    location = w.external_locations.create(
        name=role, url=f"s3://{bucket}/", credential_name=role, read_only=True
    )
    assert location.credential_id == credential.id
    with pytest.raises(errors.DatabricksError, match="used by 1 external location"):
        w.storage_credentials.delete(role)
    w.external_locations.delete(role)
    w.storage_credentials.delete(role)
    with pytest.raises(errors.NotFound, match=f"Storage credential '{role}' does not exist"):
        w.storage_credentials.get(role)


def test_overlapping_places_are_refused(w: WorkspaceClient, lake: Lake) -> None:
    for url in (f"s3://{lake.bucket}/", f"s3://{lake.bucket}/deeper/down"):
        with pytest.raises(errors.InvalidParameterValue) as told:
            w.external_locations.create(
                name=name("l"), url=url, credential_name=lake.credential, skip_validation=True
            )
        assert "overlaps with an existing external location within 'CreateExternalLocation' call. " in str(
            told.value
        )
        assert f"Conflicting location: {lake.location}." in str(told.value)
    schema = {"catalog_name": lake.catalog, "schema_name": "crm", "volume_type": uc.VolumeType.EXTERNAL}
    for path in ("incoming/shop", "incoming/shop/t", "incoming/shop/t/below"):
        with pytest.raises(errors.InvalidParameterValue, match=f"{lake.catalog}.crm.t_incoming"):
            w.volumes.create(**schema, name=name("v"), storage_location=f"s3://{lake.bucket}/{path}")
    w.volumes.create(
        **schema, name="t2", storage_location=f"s3://{lake.bucket}/incoming/shop/t2"
    )  # not below t
    w.volumes.delete(f"{lake.catalog}.crm.t2")
    with pytest.raises(errors.NotFound, match="No parent external location found for path"):
        w.volumes.create(**schema, name="elsewhere", storage_location="s3://elsewhere/x")
    with pytest.raises(errors.InvalidParameterValue, match="overlaps with other external tables or volumes"):
        w.catalogs.create(name=name("c"), storage_root=f"s3://{lake.bucket}/incoming")


def test_a_catalog_keeps_its_tables_below_its_storage_root(
    w: WorkspaceClient, aws: Callable[[str], Any], lake: Lake
) -> None:
    catalog = name("managed")
    made = w.catalogs.create(name=catalog, storage_root=f"s3://{lake.bucket}/managed")
    w.schemas.create(name="s", catalog_name=catalog)
    with pytest.raises(errors.BadRequest, match="already exists"):
        w.schemas.create(name="s", catalog_name=catalog)
    warehouse = next(iter(w.warehouses.list())).id or ""
    done = w.statement_execution.execute_statement(
        f"CREATE TABLE {catalog}.s.t AS SELECT 1 id", warehouse, wait_timeout="50s"
    )
    assert done.status and done.status.error is None
    table = w.tables.get(f"{catalog}.s.t")
    assert table.storage_location and made.storage_location
    assert table.storage_location.removeprefix("s3a").startswith(made.storage_location.removeprefix("s3"))
    keys = [
        one["Key"] for one in aws("s3").list_objects_v2(Bucket=lake.bucket, Prefix="managed/")["Contents"]
    ]
    assert any("/_delta_log/" in key for key in keys)
    with pytest.raises(errors.DatabricksError, match="is not empty"):
        w.schemas.delete(f"{catalog}.s")
    with pytest.raises(errors.DatabricksError, match=r"is not empty. The catalog has 2 schema\(s\)"):
        w.catalogs.delete(catalog)
    w.catalogs.delete(catalog, force=True)
    with pytest.raises(errors.NotFound, match=f"Catalog '{catalog}' does not exist"):
        w.catalogs.get(catalog)
    assert w.tables.exists(f"{catalog}.s.t").table_exists is False


def test_grants_need_principals_and_fitting_privileges(w: WorkspaceClient, lake: Lake) -> None:
    group = w.groups.create(display_name=name("readers")).display_name or ""
    volume = f"{lake.catalog}.crm.t_incoming"

    def grant(kind: str, what: str, who: str, *privileges: uc.Privilege) -> None:
        w.grants.update(kind, what, changes=[uc.PermissionsChange(principal=who, add=list(privileges))])

    with pytest.raises(errors.NotFound, match="Could not find principal with name nobody"):
        grant("VOLUME", volume, "nobody", uc.Privilege.READ_VOLUME)
    with pytest.raises(errors.InvalidParameterValue, match="CREATE_SCHEMA is not applicable to this entity"):
        grant("VOLUME", volume, group, uc.Privilege.CREATE_SCHEMA)
    grant("VOLUME", volume, group, uc.Privilege.READ_VOLUME)
    grant("CATALOG", lake.catalog, group, uc.Privilege.USE_CATALOG, uc.Privilege.WRITE_VOLUME)
    effective = w.grants.get_effective("VOLUME", volume, principal=group).privilege_assignments
    assert effective
    held = {one.privilege: one.inherited_from_name for one in effective[0].privileges or []}
    assert held == {uc.Privilege.READ_VOLUME: None, uc.Privilege.WRITE_VOLUME: lake.catalog}
    change = uc.PermissionsChange(principal=group, remove=[uc.Privilege.READ_VOLUME])
    w.grants.update("VOLUME", volume, changes=[change])
    direct = w.grants.get("VOLUME", volume, principal=group)
    assert not direct.privilege_assignments


def test_the_files_api_is_the_volumes_s3(w: WorkspaceClient, aws: Callable[[str], Any], lake: Lake) -> None:
    path = f"{lake.processed}/files/a b.bin"
    w.files.upload(path, io.BytesIO(b"\x00content"))
    stored = aws("s3").get_object(Bucket=lake.bucket, Key="processed/shop/t/files/a b.bin")
    assert stored["Body"].read() == b"\x00content"
    with pytest.raises(errors.AlreadyExists):
        w.files.upload(path, io.BytesIO(b"x"), overwrite=False)
    w.files.upload(path, io.BytesIO(b"new"), overwrite=True)
    contents = w.files.download(path).contents
    assert contents and contents.read() == b"new"
    assert w.files.get_metadata(path).content_length == 3
    entries = list(w.files.list_directory_contents(f"{lake.processed}/files"))
    assert [(one.name, one.file_size, one.is_directory) for one in entries] == [("a b.bin", 3, False)]
    w.files.delete(path)
    with pytest.raises(errors.NotFound):
        w.files.download(path)
    with pytest.raises(errors.NotFound, match="does not exist"):
        w.files.upload(f"/Volumes/{lake.catalog}/crm/nothing/x", io.BytesIO(b"x"))


def test_workspace_objects(w: WorkspaceClient) -> None:
    folder = f"/Shared/{name('objects')}"
    with pytest.raises(errors.NotFound, match=r"The parent folder \(.*\) does not exist"):
        w.workspace.upload(f"{folder}/x.txt", b"x", format=workspace.ImportFormat.RAW)
    path = put_notebook(w, f"{folder}/nb", "print(1)")
    w.workspace.upload(f"{folder}/lib.py", b"N = 1\n", format=workspace.ImportFormat.AUTO)
    source = b"# Databricks notebook source\nprint(2)\n"
    w.workspace.upload(f"{folder}/auto.py", source, format=workspace.ImportFormat.AUTO)
    kinds = {one.path: one.object_type.value for one in w.workspace.list(folder) if one.object_type}
    assert kinds == {path: "NOTEBOOK", f"{folder}/lib.py": "FILE", f"{folder}/auto": "NOTEBOOK"}
    assert w.workspace.download(f"{folder}/auto").read() == source
    assert w.workspace.get_status(f"/Workspace{path}").object_id == w.workspace.get_status(path).object_id
    with pytest.raises(errors.ResourceAlreadyExists):
        w.workspace.upload(f"{folder}/lib.py", b"", format=workspace.ImportFormat.AUTO)
    with pytest.raises(errors.DatabricksError, match="is not empty"):
        w.workspace.delete(folder)
    w.workspace.delete(folder, recursive=True)
    with pytest.raises(errors.NotFound, match="doesn't exist"):
        w.workspace.get_status(path)


def test_secrets_and_their_acls(w: WorkspaceClient, lake: Lake) -> None:
    scope = name("scope")
    w.secrets.create_scope(scope)
    with pytest.raises(errors.ResourceAlreadyExists):
        w.secrets.create_scope(scope)
    w.secrets.put_secret(scope, "k", string_value="v")
    assert [one.key for one in w.secrets.list_secrets(scope)] == ["k"]
    assert w.secrets.get_secret(scope, "k").value == "dg=="
    with pytest.raises(errors.NotFound, match="User or Group nobody does not exist"):
        w.secrets.put_acl(scope, "nobody", workspace.AclPermission.READ)
    w.secrets.put_acl(scope, lake.principal, workspace.AclPermission.READ)
    assert w.secrets.get_acl(scope, lake.principal).permission == workspace.AclPermission.READ
    w.secrets.delete_scope(scope)
    with pytest.raises(errors.NotFound):
        list(w.secrets.list_secrets(scope))


def test_job_permissions(w: WorkspaceClient, lake: Lake) -> None:
    group = w.groups.create(display_name=name("operators")).display_name
    job = str(w.jobs.create(name=name("job"), tasks=[notebook_task("/Shared/x")]).job_id)
    told = w.permissions.get("jobs", job)
    assert told.object_type == "job" and told.object_id == f"/jobs/{job}"
    entry = iam.AccessControlRequest(group_name=group, permission_level=iam.PermissionLevel.CAN_MANAGE_RUN)
    with pytest.raises(errors.InvalidParameterValue, match="exactly one owner"):
        w.permissions.set("jobs", job, access_control_list=[entry])
    owner = iam.AccessControlRequest(
        service_principal_name=lake.principal, permission_level=iam.PermissionLevel.IS_OWNER
    )
    w.permissions.set("jobs", job, access_control_list=[entry, owner])
    acl = w.permissions.get("jobs", job).access_control_list or []
    names = {one.group_name or one.service_principal_name or one.user_name for one in acl}
    assert names == {group, lake.principal, "admins"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tasks": [notebook_task("relative")]}, "only absolute notebook paths"),
        ({"tasks": [notebook_task("/a"), notebook_task("/b")]}, "Duplicate task key"),
        ({"max_concurrent_runs": 1001}, "between 0 and 1000"),
        ({"run_as": jobs.JobRunAs(service_principal_name="nobody")}, "does not exist"),
        (
            {"tasks": [jobs.Task(task_key="s", spark_python_task=jobs.SparkPythonTask(python_file="x"))]},
            "the sandbox runs notebook_task only, not spark_python_task",
        ),
        ({"continuous": jobs.Continuous()}, None),
        (
            {"schedule": jobs.CronSchedule(quartz_cron_expression="* * *", timezone_id="UTC")},
            "a Quartz expression has 6 or 7",
        ),
        ({"trigger": ("s3://nowhere/x/", None)}, "in no external location and no volume"),
        ({"trigger": ("here", 59)}, "must be at least 60"),
        ({"trigger": ("here*", None)}, "must not contain wildcards"),
    ],
)
def test_jobs_the_sandbox_cannot_run_are_refused(
    w: WorkspaceClient, lake: Lake, settings: dict[str, Any], message: str | None
) -> None:
    if isinstance(settings.get("trigger"), tuple):
        url, seconds = settings["trigger"]
        arrival = jobs.FileArrivalTriggerConfiguration(
            url=url.replace("here", f"s3://{lake.bucket}/incoming/"),
            min_time_between_triggers_seconds=seconds,
        )
        settings = {"trigger": jobs.TriggerSettings(file_arrival=arrival)}
    if message is None:  # an empty `continuous` is nothing
        w.jobs.create(name=name("job"), **settings)
        return
    with pytest.raises(errors.DatabricksError, match=message):
        w.jobs.create(name=name("job"), **settings)


def test_what_is_not_emulated_says_so(w: WorkspaceClient) -> None:
    with pytest.raises(errors.NotImplemented):
        list(w.pipelines.list_pipelines())
    with pytest.raises(errors.DatabricksError, match="The sandbox has one SQL warehouse"):
        w.warehouses.create(name="other")
