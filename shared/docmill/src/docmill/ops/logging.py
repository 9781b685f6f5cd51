"""Logs: one JSON object a line on stdout; an event and its fields, never a sentence with values.

On a terminal the same is written for people to read.

Every line has `time` (ISO, UTC), `level`, `service` and `event`, then what is bound around it. The
names to bind: `document`, `tenant`, `task`, `worker`, `request`, `correlation`, `api_key` (its id).
"""

import logging
import sys
import threading
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, TextIO

import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

_FIRST: Final = ("time", "level", "service", "event")
# These tell every connection and retry at INFO; what matters of it we log ourselves.
_CHATTY: Final = (
    "boto3",
    "botocore",
    "dramatiq",
    "httpcore",
    "httpx",
    "pika",
    "s3transfer",
    "urllib3",
)


def configure(service: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send the logs of docmill and of every library to the stream; only a `main.py` calls this."""
    shared = _shared(service)
    written = stream or sys.stdout
    handler = logging.StreamHandler(written)
    handler.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                ProcessorFormatter.remove_processors_meta,
                *_rendering(terminal=written.isatty()),
            ],
        )
    )
    _route_everything_to(handler, level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a logger made at import follows a later configure()
    )


def logger(name: str) -> BoundLogger:
    """Make a module's logger; `name` is its `__name__`."""
    made: BoundLogger = structlog.stdlib.get_logger(name)
    return made


def bound(**ids: object) -> AbstractContextManager[None]:
    """Put the ids on every line logged inside the block, by this thread."""
    return bound_contextvars(**ids)


def bind(**ids: object) -> None:
    """Put the ids on every line this thread logs, until `unbind`."""
    bind_contextvars(**ids)


def unbind() -> None:
    """Forget what is bound; a thread that serves requests starts each with it."""
    clear_contextvars()


def _shared(service: str) -> list[Processor]:
    def add_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
        add_service,
    ]


def _rendering(*, terminal: bool) -> list[Processor]:
    if terminal:
        plain = structlog.dev.plain_traceback  # the default shows locals: passwords among them
        return [structlog.dev.ConsoleRenderer(timestamp_key="time", exception_formatter=plain)]
    return [
        structlog.processors.format_exc_info,
        _first_things_first,
        structlog.processors.JSONRenderer(default=str),
    ]


def _first_things_first(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    first = {name: event.pop(name) for name in _FIRST if name in event}
    return {**first, **event}


def _route_everything_to(handler: logging.Handler, level: str) -> None:
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logger(__name__).critical("uncaught", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is None or isinstance(args.exc_value, SystemExit):
        return
    logger(__name__).critical(
        "thread_died",
        thread=args.thread.name if args.thread else None,
        exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
    )
