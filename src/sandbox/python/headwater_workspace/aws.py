"""AWS as the workspace uses it: S3 behind volumes, IAM behind storage credentials; both are moto here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config


@dataclass(frozen=True)
class Aws:
    """Clients for one endpoint. They are thread-safe, as boto3 documents of clients."""

    endpoint: str
    region: str
    data_endpoint: str = ""
    """For S3, if it is another one."""

    @property
    def access_key(self) -> str:
        """The sandbox's well-known, not secret key."""
        return os.environ.get("AWS_ACCESS_KEY_ID", "sandbox")

    @property
    def secret_key(self) -> str:
        """The sandbox's well-known, not secret key."""
        return os.environ.get("AWS_SECRET_ACCESS_KEY", "sandbox")

    def _client(self, service: str, endpoint: str, **config: Any) -> Any:
        return boto3.session.Session().client(
            service,
            endpoint_url=endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(retries={"max_attempts": 5}, max_pool_connections=20, **config),
        )

    @cached_property
    def s3(self) -> Any:
        """S3, path style: the endpoint has no wildcard DNS."""
        return self._client("s3", self.data_endpoint or self.endpoint, s3={"addressing_style": "path"})

    @cached_property
    def iam(self) -> Any:
        """IAM."""
        return self._client("iam", self.endpoint)


@dataclass(frozen=True)
class S3Url:
    """`s3://bucket/prefix`; the prefix has no slash at either end."""

    bucket: str
    prefix: str

    @staticmethod
    def parse(url: str) -> S3Url:
        """Takes s3:// and s3a://. Raises ValueError."""
        scheme, separator, rest = url.partition("://")
        bucket, _, prefix = rest.partition("/")
        if not separator or scheme not in ("s3", "s3a") or not bucket:
            raise ValueError(f"'{url}' is not an S3 URL (s3://<bucket>/<path>)")
        return S3Url(bucket, prefix.strip("/"))

    def contains(self, other: S3Url) -> bool:
        """Whether `other` is this place or below it, by whole path components."""
        if self.bucket != other.bucket:
            return False
        return not self.prefix or f"{other.prefix}/".startswith(f"{self.prefix}/")

    def overlaps(self, other: S3Url) -> bool:
        """Whether one contains the other."""
        return self.contains(other) or other.contains(self)

    def key(self, relative: str) -> str:
        """The object key of a path below."""
        return "/".join(part for part in (self.prefix, relative.strip("/")) if part)

    @property
    def folder(self) -> str:
        """The prefix with a trailing slash; empty at the bucket's root."""
        return f"{self.prefix}/" if self.prefix else ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}" if self.prefix else f"s3://{self.bucket}/"
