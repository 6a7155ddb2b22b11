"""Python packages a task asks for: the sandbox installs none, its own environment must have them."""

from __future__ import annotations

from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement

from ..store import Document


class PackageMissing(Exception):
    """A package the sandbox's Python does not have."""


def wanted(settings: Document, task: Document) -> list[str]:
    """Requirements of the task: its serverless environment's dependencies, or its cluster libraries from
    PyPI.
    """
    found: list[str] = []
    for one in settings.get("environments") or []:
        if task.get("environment_key") and one.get("environment_key") == task["environment_key"]:
            found += [str(item) for item in (one.get("spec") or {}).get("dependencies") or []]
    for library in task.get("libraries") or []:
        found.append(str(library["pypi"].get("package")))
    return found


def check(requirements: list[str]) -> list[str]:
    """Notes on packages that are here in another version than asked for. Raises PackageMissing."""
    notes = []
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            raise PackageMissing(f"the sandbox takes package requirements, not '{text}': {error}") from error
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError as error:
            raise PackageMissing(
                f"'{text}' is not in the sandbox's Python environment (src/sandbox/python/requirements.txt)"
            ) from error
        if version not in requirement.specifier:
            notes.append(f"'{text}' was asked for; the sandbox runs with {requirement.name} {version}")
    return notes
