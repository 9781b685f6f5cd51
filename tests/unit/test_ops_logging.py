import io
import json
import logging
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from docmill.ops.logging import bind, bound, configure, logger, unbind

Lines = list[dict[str, Any]]


class Log(io.StringIO):
    """A stream whose lines are read back as JSON."""

    def lines(self) -> Lines:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@contextmanager
def configured(stream: io.StringIO) -> Iterator[None]:
    """Log to the stream for the length of a block."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    hooks = sys.excepthook, threading.excepthook
    configure("tested", "INFO", stream)
    yield
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    sys.excepthook, threading.excepthook = hooks
    unbind()


@pytest.fixture
def stream() -> Iterator[Log]:
    made = Log()
    with configured(made):
        yield made


def test_a_line_is_an_event_with_time_level_and_service(stream: Log) -> None:
    logger("docmill.x").info("page_recognised", page=3)
    (line,) = stream.lines()
    assert list(line)[:4] == ["time", "level", "service", "event"]
    assert line["event"] == "page_recognised"
    assert (line["level"], line["service"], line["page"]) == ("info", "tested", 3)
    assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta()


def test_on_a_terminal_a_line_is_for_people() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    with configured(shown):
        logger("docmill.x").info("page_recognised", page=3)
        try:
            password = "HUNTER-2".lower()
            _ = len(password) / 0
        except ZeroDivisionError:
            logger("docmill.x").exception("failed")
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.getvalue())
    assert "page_recognised" in text
    assert "page=3" in text
    assert "ZeroDivisionError" in text
    assert "hunter-2" not in text  # no values of variables
    assert not text.startswith("{")


def test_what_is_bound_is_on_every_line_of_the_block(stream: Log) -> None:
    log = logger("docmill.x")
    document = UUID(int=7)
    with bound(document=document, tenant="acme"):
        log.info("inside")
    log.info("outside")
    inside, outside = stream.lines()
    assert (inside["document"], inside["tenant"]) == (str(document), "acme")
    assert "document" not in outside


def test_what_a_thread_binds_is_no_other_threads(stream: Log) -> None:
    bind(request="r1")
    other = threading.Thread(target=lambda: logger("docmill.x").info("elsewhere"))
    other.start()
    other.join()
    logger("docmill.x").info("here")
    elsewhere, here = stream.lines()
    assert "request" not in elsewhere
    assert here["request"] == "r1"


def test_an_error_carries_its_stack_as_one_field(stream: Log) -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        logger("docmill.x").exception("failed")
    (line,) = stream.lines()
    assert line["level"] == "error"
    assert "ZeroDivisionError" in line["exception"]
    assert "Traceback" in line["exception"]


def test_libraries_log_the_same_way(stream: Log) -> None:
    with bound(task=7):
        logging.getLogger("library").warning("lost %s", "it", extra={"peer": "a"})
    (line,) = stream.lines()
    assert (line["event"], line["logger"], line["task"]) == ("lost it", "library", 7)
    assert line["peer"] == "a"


def test_chatty_libraries_are_heard_from_warnings_on(stream: Log) -> None:
    logging.getLogger("pika.adapters").info("connecting")
    logging.getLogger("pika.adapters").warning("lost")
    assert [line["event"] for line in stream.lines()] == ["lost"]


def test_what_is_below_the_level_is_not_written(stream: Log) -> None:
    logger("docmill.x").debug("detail")
    assert stream.lines() == []


def test_a_thread_that_dies_is_logged(stream: Log) -> None:
    def die() -> None:
        raise RuntimeError("no more")

    thread = threading.Thread(target=die, name="worker-1")
    thread.start()
    thread.join()
    (line,) = stream.lines()
    assert (line["event"], line["level"]) == ("thread_died", "critical")
    assert line["thread"] == "worker-1"
    assert "no more" in line["exception"]


def test_an_error_nobody_caught_is_logged(stream: Log) -> None:
    error = RuntimeError("unseen")
    sys.excepthook(RuntimeError, error, None)
    (line,) = stream.lines()
    assert line["event"] == "uncaught"
    assert "unseen" in line["exception"]
