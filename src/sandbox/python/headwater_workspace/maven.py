"""Files of a Maven repository, each checked against its SHA-256.

HEADWATER_MAVEN_URL names another repository than Maven Central; proxies and certificates come from the
usual variables (https_proxy, SSL_CERT_FILE).
"""

from __future__ import annotations

import hashlib
import os
import re
import time
import urllib.error
import urllib.request
import zipfile

from .java import pyspark_jars

_ATTEMPTS = 4


class MavenError(Exception):
    """A file could not be had; the message says which, from where and what to do."""


def repository() -> str:
    """HEADWATER_MAVEN_URL, or Maven Central at the address that Spark's own resolver, Ivy, has for it."""
    given = os.environ.get("HEADWATER_MAVEN_URL")
    if given:
        return given.rstrip("/")
    ivy = next(pyspark_jars().glob("ivy-*.jar"))
    with zipfile.ZipFile(ivy) as jar:
        resolver = jar.read("org/apache/ivy/plugins/resolver/IBiblioResolver.class")
    found = re.search(rb"https://[!-~]+?/maven2(?=/)", resolver)
    if found is None:
        raise MavenError(f"{ivy}: names no Maven Central; set HEADWATER_MAVEN_URL")
    return found.group().decode()


def fetch(base: str, path: str, sha256: str) -> bytes:
    """The file at a path of the repository; tried again while the network or the server fails."""
    url = f"{base}/{path}"
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(url, timeout=120) as response:
                body = response.read()
            break
        except urllib.error.HTTPError as error:
            if error.code < 500 or attempt == _ATTEMPTS:
                raise MavenError(f"{url}: HTTP {error.code} {error.reason}") from error
        except (urllib.error.URLError, OSError) as error:
            if attempt == _ATTEMPTS:
                reason = getattr(error, "reason", error)
                raise MavenError(
                    f"{url}: {reason}. If Maven Central is blocked here, set HEADWATER_MAVEN_URL to a mirror"
                ) from error
        time.sleep(attempt)
    found = hashlib.sha256(body).hexdigest()
    if found != sha256:
        raise MavenError(f"{url}: its SHA-256 is {found}, not {sha256}: the repository altered the file")
    return body
