"""The one error people are meant to read, shaped like the SDK's: what, where, what was found, what to do."""

from __future__ import annotations


class HeadwaterError(Exception):
    """`code` is stable and for programs; the message is for people and holds the details. Never holds a secret."""

    def __init__(
        self,
        code: str,
        summary: str,
        *,
        where: str | None = None,
        field: str | None = None,
        found: object = None,
        allowed: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.code = code
        self.summary = summary
        place = ": ".join(part for part in (where, field) if part is not None)
        lines = [f"{place}: {summary}" if place else summary]
        lines += [f"  found: {found}"] if found is not None else []
        lines += [f"  allowed: {allowed}"] if allowed is not None else []
        lines += [f"  remedy: {remedy}"] if remedy is not None else []
        super().__init__("\n".join(lines))


def brief(error: BaseException, limit: int = 600) -> str:
    """An error in one short piece for a record: Spark's messages carry plans and stacks of many thousand characters."""
    text = str(error).strip() or type(error).__name__
    head = (
        text
        if isinstance(error, HeadwaterError)
        else text.split("\n\nJVM stacktrace:")[0].split("\n\tat ")[0]
    )
    return head if len(head) <= limit else head[: limit - 3] + "..."
