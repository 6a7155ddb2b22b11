"""Finds Java and pyspark's jars."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path


class JavaMissing(RuntimeError):
    """No Java runtime is on this machine."""


def find_java() -> Path:
    """The `java` of JAVA_HOME, else of PATH. Raises JavaMissing with what to install."""
    home = os.environ.get("JAVA_HOME")
    if home:
        java = Path(home) / "bin" / "java"
        if java.is_file():
            return java
        raise JavaMissing(f"JAVA_HOME is {home}, but {java} is not there. Correct or unset JAVA_HOME.")
    found = shutil.which("java")
    if not found:
        raise JavaMissing(
            "no Java: neither JAVA_HOME is set nor is `java` on PATH. Spark needs Java 17 or 21, "
            "for example Debian's openjdk-17-jre-headless."
        )
    return Path(found)


def pyspark_jars() -> Path:
    """The folder of Spark's own jars inside the pyspark package."""
    spec = importlib.util.find_spec("pyspark")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("pyspark is not installed in this Python environment (requirements.txt)")
    return Path(spec.submodule_search_locations[0]) / "jars"
