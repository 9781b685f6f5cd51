"""What `docmill` does."""

import argparse
import json
import mimetypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from docmill_client.client import Client, Document

_COLOURS: Final = {
    "ready": "green",
    "rejected": "red",
    "failed": "red",
    "cancelled": "yellow",
    "expired": "dim",
}


@dataclass(frozen=True, slots=True)
class Command:
    """One command: results go to `out`, what is only for people to `err`."""

    asked: argparse.Namespace
    client: Client
    out: Console
    err: Console

    def text(self, text: str) -> None:
        """Print as it is: no colours, no wrapping."""
        self.out.print(text, markup=False, highlight=False, soft_wrap=True)

    def json(self, value: Any) -> None:
        self.text(json.dumps(value, indent=2, ensure_ascii=False))


def run(command: Command) -> int:
    """Do what was asked; return the exit code."""
    return _COMMANDS[command.asked.do](command)


def _upload(command: Command) -> int:
    sent = [(file, _send(command, file)) for file in command.asked.files]
    if not command.asked.wait:
        return 0
    return max(_finish(command, file, document) for file, document in sent)


def _send(command: Command, file: Path) -> Document:
    asked = command.asked
    document = command.client.upload(
        file,
        media_type=mimetypes.guess_type(file.name)[0] or "application/octet-stream",
        languages=asked.languages.split(",") if asked.languages else (),
        pages=asked.pages,
        force_ocr=asked.force_ocr,
        forbid_ocr=asked.forbid_ocr,
        outputs=None if asked.outputs is None else asked.outputs.split(","),
        priority=asked.priority,
        metadata=json.loads(asked.metadata) if asked.metadata else None,
        batch=asked.batch,
    )
    command.err.print(f"[bold]{file.name}[/] {document['id']}", highlight=False)
    if not asked.wait:
        command.text(document["id"])
    return document


def _finish(command: Command, file: Path, document: Document) -> int:
    with command.err.status(f"{file.name} …"):
        settled = command.client.wait(document["id"])
    command.err.print(f"[bold]{file.name}[/] {_told(settled)}", highlight=False)
    if settled["state"] != "ready":
        return 1
    command.text(command.client.text(document["id"]))
    return 0


def _told(document: Document) -> str:
    state = document["state"]
    failure = document["failure"]
    why = f": {failure['code']}. {failure['remedy']}" if failure else ""
    return f"[{_COLOURS.get(state, 'blue')}]{state}[/]{why}"


def _list(command: Command) -> int:
    asked = command.asked
    filters = {name: value for name in ("state", "name") if (value := getattr(asked, name))}
    table = Table("id", "state", "pages", "accepted", "name", box=None)
    for each in command.client.list(limit=asked.limit, **filters):
        pages = each["pages"]
        table.add_row(
            each["id"],
            _told(each).split(":")[0],
            f"{pages['done']}/{pages['total'] or '?'}",
            each["accepted_at"][:19],
            each["name"],
        )
    command.out.print(table)
    return 0


def _get(command: Command) -> int:
    command.json(command.client.get(command.asked.document))
    return 0


def _wait(command: Command) -> int:
    settled = command.client.wait(command.asked.document)
    command.json(settled)
    return 0 if settled["state"] == "ready" else 1


def _text(command: Command) -> int:
    command.text(command.client.text(command.asked.document))
    return 0


def _events(command: Command) -> int:
    for event in command.client.events(command.asked.document):
        command.text(f"{event['at'][:23]}  {event['kind']:<20} {json.dumps(event['data'])}")
    return 0


def _pdf(command: Command) -> int:
    asked = command.asked
    target = asked.output or _free_name(command.client.get(asked.document)["name"])
    size = command.client.pdf(asked.document, target)
    command.err.print(f"{target}: {size} bytes", highlight=False)
    return 0


def _free_name(name: str) -> Path:
    """A name in this folder that overwrites nothing."""
    stem = Path(name).stem
    candidates = (Path(f"{stem}{suffix}.pdf") for suffix in ("", *(f"-{n}" for n in range(1, 999))))
    return next(each for each in candidates if not each.exists())


def _cancel(command: Command) -> int:
    command.text(command.client.cancel(command.asked.document)["state"])
    return 0


def _retry(command: Command) -> int:
    asked = command.asked
    document = command.client.retry(
        asked.document, force_ocr=asked.force_ocr, forbid_ocr=asked.forbid_ocr
    )
    command.text(document["state"])
    return 0


def _erase(command: Command) -> int:
    command.client.erase(command.asked.document)
    command.text("erased")
    return 0


_COMMANDS: Final[Mapping[str, Callable[[Command], int]]] = {
    "upload": _upload,
    "list": _list,
    "get": _get,
    "wait": _wait,
    "text": _text,
    "events": _events,
    "pdf": _pdf,
    "cancel": _cancel,
    "retry": _retry,
    "erase": _erase,
}
