"""Services' JSON logs for a person: time, who, level, event, and the rest as key=value."""

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from rich.markup import escape

COLOURS: Final = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green")
WIDEST: Final = 60
LEVELS: Final = {"warning": "yellow", "error": "red", "critical": "bold red"}
SHOWN: Final = {"time", "timestamp", "level", "service", "event"}
# Long and of use to programs only; the raw log has them.
LEFT_OUT: Final = {
    "api_key",
    "correlation",
    "exception",
    "logger",
    "pid",
    "request",
    "tenant",
    "trace",
    "worker",
}


class Follower:
    """Reads what was added to a set of log files since the last look."""

    def __init__(self, files: Mapping[str, Path], *, from_start: bool = False) -> None:
        self._files = dict(files)
        self._at = {name: 0 if from_start else size(file) for name, file in files.items()}
        self._colours = {
            name: COLOURS[place % len(COLOURS)] for place, name in enumerate(self._files)
        }

    def lines(self) -> Iterator[str]:
        """Give the new lines of every file, with rich's markup."""
        for name, file in self._files.items():
            for line in self._new(name, file):
                yield rendered(line, name, self._colours[name])

    def forever(self) -> Iterator[str]:
        while True:
            yield from self.lines()
            time.sleep(0.2)

    def _new(self, name: str, file: Path) -> list[str]:
        if size(file) < self._at[name]:
            self._at[name] = 0  # begun anew
        if not file.exists():
            return []
        with file.open("rb") as log:
            log.seek(self._at[name])
            whole, newline, _ = log.read().rpartition(b"\n")
        self._at[name] += len(whole) + len(newline)
        return whole.decode(errors="replace").splitlines()


def size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def rendered(line: str, name: str, colour: str) -> str:
    """Give a line for a person; one that is not JSON (an import error, say) is shown as it is."""
    who = f"[{colour}]{name:<11}[/]"
    try:
        entry = json.loads(line)
        event = entry["event"]
    except (ValueError, KeyError, TypeError):
        return f"         {who} {escape(line)}"
    level = str(entry.get("level", "info")).lower()
    tone = LEVELS.get(level, "default")
    return f"[dim]{_clock(entry)}[/] {who} [{tone}]{escape(str(event))}[/] {_fields(entry)}"


def _clock(entry: Mapping[str, Any]) -> str:
    stamp = str(entry.get("time") or entry.get("timestamp") or "")
    return stamp.partition("T")[2][:8] or " " * 8


def _fields(entry: Mapping[str, Any]) -> str:
    shown = (
        f"{key}={_short(key, value)}"
        for key, value in entry.items()
        if key not in SHOWN and key not in LEFT_OUT and value is not None
    )
    text = escape(" ".join(shown))
    trace = str(entry.get("trace") or entry.get("exception") or "")
    last = trace.strip().rpartition("\n")[2]
    return f"[dim]{text}[/]" + (f" [red]{escape(last)}[/]" if last else "")


def _short(key: str, value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    if key == "document":
        return text[-6:]  # ids begin with the time: documents of one minute look alike
    text = " ".join(text.split())
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 3]}..."
