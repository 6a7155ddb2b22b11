"""Databricks' error answers: `{error_code, message}` with the HTTP status that goes with the code."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from minilake.errors import DatabricksError


class ApiError(DatabricksError):
    """An error for the caller of the API. `reason` becomes a google.rpc.ErrorInfo, as Unity Catalog sends
    it.
    """

    def __init__(
        self, error_code: str, message: str, status_code: int = 400, reason: str | None = None
    ) -> None:
        super().__init__(error_code, message, status_code)
        self.reason = reason


def invalid(message: str, reason: str | None = None) -> ApiError:
    """400 INVALID_PARAMETER_VALUE."""
    return ApiError("INVALID_PARAMETER_VALUE", message, 400, reason)


def missing(message: str, code: str = "RESOURCE_DOES_NOT_EXIST") -> ApiError:
    """404."""
    return ApiError(code, message, 404)


def exists(message: str, code: str = "RESOURCE_ALREADY_EXISTS") -> ApiError:
    """400, as Databricks answers; the SDK tells it by its code."""
    return ApiError(code, message, 400)


def denied(message: str) -> ApiError:
    """403 PERMISSION_DENIED."""
    return ApiError("PERMISSION_DENIED", message, 403)


def bad_state(message: str) -> ApiError:
    """400 INVALID_STATE."""
    return ApiError("INVALID_STATE", message, 400)


def unsupported(message: str) -> ApiError:
    """400 FEATURE_DISABLED: what a workspace says of something it does not offer, here the sandbox."""
    return ApiError("FEATURE_DISABLED", message, 400)


def install(app: FastAPI) -> None:
    """Replaces minilake's handler by one that knows `reason`."""

    @app.exception_handler(DatabricksError)
    async def answer(_request: Request, error: DatabricksError) -> JSONResponse:
        body: dict[str, Any] = {"error_code": error.error_code, "message": error.message}
        reason = getattr(error, "reason", None)
        if reason:
            body["details"] = [
                {
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                    "reason": reason,
                    "domain": "unity-catalog.databricks.com",
                }
            ]
        return JSONResponse(body, error.status_code)
