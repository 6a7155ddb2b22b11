"""Whether an AWS IAM role can serve a storage credential, as far as its policies tell.

Unity Catalog needs a role that its master role and the role itself may assume with the credential's external
id (self-assuming: required of credentials made after 2024-09-20), and that may read and write the location.
The trust policy is the one the Databricks provider renders in `aws_unity_catalog_assume_role_policy`.
"""

from __future__ import annotations

import json
import urllib.parse
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..aws import S3Url
from ..context import Workspace
from ..store import Document

MASTER_ROLE = "arn:aws:iam::414351767826:role/unity-catalog-prod-UCMasterRole-14S5ZJVKOTYTL"
_NEEDS = {
    "READ": "s3:GetObject",
    "LIST": "s3:ListBucket",
    "WRITE": "s3:PutObject",
    "DELETE": "s3:DeleteObject",
}


class RoleProblem(Exception):
    """Why a role cannot be used."""


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _policy(document: Any) -> list[dict[str, Any]]:
    if isinstance(document, str):
        document = json.loads(urllib.parse.unquote(document))
    return _list(document.get("Statement") or [])


def _external_id_matches(statement: dict[str, Any], external_id: str) -> bool:
    wanted = [
        value
        for operator, keys in (statement.get("Condition") or {}).items()
        if operator.startswith("String")
        for key, values in keys.items()
        if key.lower() == "sts:externalid"
        for value in _list(values)
    ]
    return not wanted or external_id in wanted


def _principal_arn_matches(statement: dict[str, Any], arn: str) -> bool:
    wanted = [
        value
        for operator, keys in (statement.get("Condition") or {}).items()
        if operator.startswith(("Arn", "String"))
        for key, values in keys.items()
        if key.lower() == "aws:principalarn"
        for value in _list(values)
    ]
    return not wanted or any(fnmatchcase(arn, pattern) for pattern in wanted)


def _may_assume(statements: list[dict[str, Any]], arn: str, principals: set[str], external_id: str) -> bool:
    for one in statements:
        named = one.get("Principal")
        named = named.get("AWS", []) if isinstance(named, dict) else named
        if (
            one.get("Effect") == "Allow"
            and any(action in ("sts:AssumeRole", "sts:*", "*") for action in _list(one.get("Action")))
            and any(name in principals or name == "*" for name in _list(named or []))
            and _external_id_matches(one, external_id)
            and _principal_arn_matches(one, arn)
        ):
            return True
    return False


def check_trust(here: Workspace, credential: Document) -> str:
    """The role's name, if Unity Catalog can assume it and it can assume itself. Raises RoleProblem."""
    role_arn = credential["aws_iam_role"]["role_arn"]
    external_id = credential["aws_iam_role"]["external_id"]
    name = role_arn.rsplit("/", 1)[-1]
    try:
        role = here.aws.iam.get_role(RoleName=name)["Role"]
    except (ClientError, BotoCoreError) as error:
        raise RoleProblem(
            f"the AWS IAM role {role_arn} in the storage credential cannot be assumed: {error}"
        ) from error
    if role["Arn"] != role_arn:
        raise RoleProblem(f"the AWS IAM role {role_arn} does not exist; there is {role['Arn']}")
    account = role_arn.split(":")[4]
    trust = _policy(role["AssumeRolePolicyDocument"])
    if not _may_assume(trust, MASTER_ROLE, {MASTER_ROLE}, external_id):
        raise RoleProblem(
            f"the AWS IAM role {role_arn} does not trust Unity Catalog ({MASTER_ROLE}) with the "
            "credential's external id"
        )
    if not _may_assume(trust, role_arn, {role_arn, f"arn:aws:iam::{account}:root", account}, external_id):
        raise RoleProblem(
            f"the AWS IAM role {role_arn} is not self-assuming: its trust policy must allow "
            "itself sts:AssumeRole"
        )
    return name


def _allowed(statements: list[dict[str, Any]], action: str, resource: str) -> bool:
    allowed = False
    for one in statements:
        if "Action" not in one or "Resource" not in one:
            continue
        actions = any(fnmatchcase(action.lower(), str(pattern).lower()) for pattern in _list(one["Action"]))
        resources = any(fnmatchcase(resource, str(pattern)) for pattern in _list(one["Resource"]))
        if actions and resources:
            if one.get("Effect") == "Deny" and not one.get("Condition"):
                return False
            allowed = allowed or one.get("Effect") == "Allow"
    return allowed


def _statements(here: Workspace, role: str) -> list[dict[str, Any]]:
    iam = here.aws.iam
    found: list[dict[str, Any]] = []
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        found += _policy(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
    for attached in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]:
        policy = iam.get_policy(PolicyArn=attached["PolicyArn"])["Policy"]
        version = iam.get_policy_version(
            PolicyArn=attached["PolicyArn"], VersionId=policy["DefaultVersionId"]
        )["PolicyVersion"]
        found += _policy(version["Document"])
    return found


def missing_permissions(here: Workspace, credential: Document, place: S3Url, read_only: bool) -> list[str]:
    """Which of READ, LIST, WRITE, DELETE the role lacks there. Raises RoleProblem, also if there is no
    bucket.
    """
    statements = _statements(here, check_trust(here, credential))
    try:
        here.aws.s3.head_bucket(Bucket=place.bucket)
    except (ClientError, BotoCoreError) as error:
        raise RoleProblem(f"the bucket of {place} cannot be reached: {error}") from error
    lacking = []
    for operation, action in _NEEDS.items():
        if read_only and operation in ("WRITE", "DELETE"):
            continue
        resource = f"arn:aws:s3:::{place.bucket}"
        if operation != "LIST":
            resource += f"/{place.key('probe')}"
        if not _allowed(statements, action, resource):
            lacking.append(operation)
    return lacking
