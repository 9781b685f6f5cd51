"""Times every request of an S3 client and counts those that got no answer."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from docmill.ops import metrics

if TYPE_CHECKING:
    from botocore.model import OperationModel
    from mypy_boto3_s3 import S3Client

_SERVER_ERROR: Final = 500
_ACTIONS: Final = ("get", "put", "list", "delete", "head")


def measure(client: "S3Client") -> "S3Client":
    """Hook the metrics into the client's own events; return it."""
    events = client.meta.events
    events.register("before-call.s3", _begin)
    events.register("after-call.s3", _end)
    events.register("after-call-error.s3", _fail)
    return client


def _begin(context: dict[str, Any], **_: object) -> None:
    context["docmill_began"] = time.monotonic()


def _end(
    model: "OperationModel", context: Mapping[str, Any], http_response: Any, **_: object
) -> None:
    action = _action(model.name)
    metrics.STORE_SECONDS.labels(action).observe(time.monotonic() - context["docmill_began"])
    if http_response.status_code >= _SERVER_ERROR:
        metrics.STORE_ERRORS.labels(action).inc()


def _fail(event_name: str, **_: object) -> None:
    metrics.STORE_ERRORS.labels(_action(event_name.rpartition(".")[2])).inc()


def _action(operation: str) -> str:
    # "GetObject" and the like; an event without one is named by its service
    lower = operation.lower()
    return next((each for each in _ACTIONS if lower.startswith(each)), _other(lower))


def _other(operation: str) -> str:
    return "put" if operation.startswith("upload") else "other"
