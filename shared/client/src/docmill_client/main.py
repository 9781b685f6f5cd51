"""Entry point of `docmill`."""

import os
import sys

from rich.console import Console

from docmill_client.client import Client
from docmill_client.command import Command, run
from docmill_client.errors import Problem, Unreachable
from docmill_client.parser import parser

DEFAULT_URL = "http://localhost:8080"


def main() -> None:
    """Do one command; exit 1 when it was refused or failed, 2 when misused, 3 when unreachable."""
    asked = parser().parse_args()
    error = Console(stderr=True)
    key = os.environ.get("DOCMILL_KEY", "")
    if not key:
        sys.exit("DOCMILL_KEY is not set: it holds your API key")
    with Client(os.environ.get("DOCMILL_URL", DEFAULT_URL), key) as client:
        sys.exit(_run(Command(asked, client, Console(), error)))


def _run(command: Command) -> int:
    try:
        return run(command)
    except Problem as problem:
        command.err.print(f"[red]{problem.code}[/]: {problem}", highlight=False)
        command.err.print(problem.remedy, highlight=False)
        return 1
    except (OSError, ValueError) as error:
        command.err.print(f"[red]{error}[/]", highlight=False)
        return 1
    except Unreachable as error:
        command.err.print(f"[red]The service does not answer[/]: {error}", highlight=False)
        return 3
    except KeyboardInterrupt:
        return 130
