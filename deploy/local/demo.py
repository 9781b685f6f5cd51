"""Sends documents through the stack with the SDK and shows what became of them."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deploy.local.console import Follower
from deploy.local.stack import Stack
from docmill_client import Client, Problem

PATIENCE_SECONDS: Final = 600
LINES: Final = 4


@dataclass(frozen=True)
class Outcome:
    """What became of one document."""

    file: Path
    document: str
    state: str
    seconds: float
    text: str

    @property
    def ok(self) -> bool:
        return self.state == "ready"


class Demo:
    """Uploads the files, waits for each, prints them."""

    def __init__(self, stack: Stack, console: Console) -> None:
        self._stack = stack
        self._console = console
        self._client = Client(stack.api, stack.key)

    def run(self, files: Sequence[Path]) -> bool:
        """Send the files through; True when every one became ready."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20))
        logs = Follower({name: each.log_file for name, each in self._stack.services.items()})
        with (
            Progress(*columns, TimeElapsedColumn(), console=self._console) as progress,
            ThreadPoolExecutor(len(files)) as pool,
        ):
            bar = progress.add_task(f"{len(files)} documents", total=len(files))
            waiting = [pool.submit(self._through, file) for file in files]
            while not all(each.done() for each in waiting):
                for line in logs.lines():
                    progress.console.print(line, soft_wrap=True, highlight=False)
                progress.update(bar, completed=sum(each.done() for each in waiting))
                time.sleep(0.1)
            progress.update(bar, completed=len(files))
        outcomes = [each.result() for each in waiting]
        for outcome in outcomes:
            self._show(outcome)
        return all(outcome.ok for outcome in outcomes)

    def _through(self, file: Path) -> Outcome:
        began = time.monotonic()
        try:
            identity = str(self._client.upload(file)["id"])
            document = self._client.wait(identity, timeout=PATIENCE_SECONDS)
        except Problem as problem:
            told = (problem.code, problem.detail, problem.remedy)
            return Outcome(file, "", f"refused, {problem.status}", 0, "\n".join(filter(None, told)))
        seconds, state = time.monotonic() - began, str(document["state"])
        text = self._client.text(identity) if state == "ready" else _explained(document["failure"])
        return Outcome(file, identity, state, seconds, text)

    def _show(self, outcome: Outcome) -> None:
        colour = "green" if outcome.ok else "red"
        self._console.print(
            f"\n[bold]{escape(outcome.file.name)}[/]  [{colour}]{escape(outcome.state)}[/]"
            f"  {outcome.seconds:.1f} s  [dim]{outcome.document}[/]"
        )
        lines = [line for line in outcome.text.splitlines() if line.strip()]
        for line in lines[:LINES]:
            self._console.print(f"    {escape(line)}", highlight=False, soft_wrap=True)
        if len(lines) > LINES:
            self._console.print(f"    [dim]… {len(lines) - LINES} more lines[/]")


def _explained(failure: Mapping[str, object] | None) -> str:
    """Say why there is no text, and what to do."""
    if not failure:
        return ""
    return "\n".join(str(failure[part]) for part in ("code", "detail", "remedy") if failure[part])


def where(stack: Stack, console: Console) -> None:
    """Print where to look and something to paste."""
    rabbitmq = stack.servers.rabbitmq
    places = {
        "API": f"{stack.api}/v1/documents",
        "API reference": f"{stack.api}/openapi",
        "readiness": f"{stack.services['ocr'].health}/readyz",
        "metrics": f"{stack.services['dispatcher'].health}/metrics",
        "RabbitMQ": rabbitmq.api.removesuffix("/api"),
        "PostgreSQL": stack.database_url,
        "logs": str(stack.root / "logs"),
    }
    console.print()
    for name, place in places.items():
        console.print(f"  [bold]{name:<14}[/] {place}", highlight=False, soft_wrap=True)
    console.print("\n  Send one of yours:", highlight=False)
    command = (
        f"curl -H 'Authorization: Bearer {stack.key}' -F file=@my.pdf {stack.api}/v1/documents"
    )
    console.print(f"    {command}", highlight=False, soft_wrap=True)
