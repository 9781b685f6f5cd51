"""Logs as a person sees them."""

import json
from pathlib import Path

from rich.text import Text

from deploy.local.console import Follower, rendered


def plain(line: str) -> str:
    return Text.from_markup(rendered(line, "ocr", "cyan")).plain


def test_an_event_and_its_fields_make_one_line() -> None:
    entry = {"time": "2026-03-01T09:08:07Z", "level": "info", "event": "page_read", "page": 3}
    assert plain(json.dumps(entry)) == "09:08:07 ocr         page_read page=3"


def test_the_last_line_of_an_exception_is_shown() -> None:
    entry = {"event": "failed", "level": "error", "trace": "Traceback\n  ...\nKeyError: 'a'"}
    assert plain(json.dumps(entry)).endswith("KeyError: 'a'")


def test_a_document_is_known_by_the_end_of_its_id() -> None:
    entry = {"event": "e", "document": "01a20538-b145-7841-a995-8b211b5888a6"}
    assert plain(json.dumps(entry)).endswith("e document=5888a6")


def test_brackets_in_a_value_are_no_markup() -> None:
    assert "[red]" in plain(json.dumps({"event": "e", "name": "[red]"}))


def test_what_is_no_json_is_shown_as_it_is() -> None:
    assert "ModuleNotFoundError: [x]" in plain("ModuleNotFoundError: [x]")
    assert plain("[1, 2]").endswith("[1, 2]")


def test_only_whole_new_lines_are_followed(tmp_path: Path) -> None:
    log = tmp_path / "ocr.log"
    log.write_text("old\n")
    follower = Follower({"ocr": log})
    log.write_text("old\nnew\nhal")
    assert [line for line in follower.lines() if "old" in line] == []
    log.write_text("old\nnew\nhalf\n")
    assert ["half" in line for line in follower.lines()] == [True]


def test_a_log_begun_anew_is_followed_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "ocr.log"
    log.write_text("a long old line\n")
    follower = Follower({"ocr": log})
    log.write_text("new\n")
    assert ["new" in line for line in follower.lines()] == [True]
