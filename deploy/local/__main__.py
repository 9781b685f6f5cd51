"""The commands behind `make demo`, `up`, `down`, `status`, `logs` and `clean`."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from deploy.local import status
from deploy.local.console import Follower
from deploy.local.demo import Demo, where
from deploy.local.process import Process
from deploy.local.server import NotReadyError
from deploy.local.stack import Stack
from deploy.local.supervisor import AlreadyRunningError, Supervisor, holder, only_one

CHECKOUT = Path(__file__).resolve().parents[2]
KEPT_BY_CLEAN = {"cache", "setup.stamp", "test", "venv"}


class Stopped(BaseException):
    """SIGTERM came."""


class Local:
    """The stack in `.local` and what can be asked of it."""

    def __init__(self, root: Path, console: Console) -> None:
        self.root = root
        self.console = console
        own = {name: value for name, value in os.environ.items() if name.startswith("DOCMILL_")}
        self.stack = Stack(root, settings=own)
        self.supervisor = Process(
            "supervisor", root / "run" / "supervisor.pid", root / "logs" / "supervisor.log"
        )

    def run(self) -> int:
        """Be the supervisor until a signal comes."""
        with only_one(self.root):
            supervisor = Supervisor(self.stack, self._tell)
            try:
                supervisor.start()
                while True:  # a wait without end may miss a signal that another thread was given
                    threading.Event().wait(1)
            except (KeyboardInterrupt, Stopped):
                pass
            finally:
                be_deaf()
                supervisor.stop()
        return 0

    def up(self) -> int:
        if not self.supervisor.running:
            self.supervisor.start(
                [sys.executable, "-m", "deploy.local", f"--root={self.root}", "run"],
                env=os.environ,
                cwd=CHECKOUT,
            )
        with self.console.status("starting"):
            self._wait_for_supervisor()
        self.status()
        return 0

    def _wait_for_supervisor(self) -> None:
        """Return once all is ready; raise NotReadyError when the supervisor gave up."""
        pause = threading.Event()
        while not status.is_up(Stack(self.root)):
            if not self.supervisor.running:
                message = f"the stack did not start; see {self.supervisor.log_file}"
                raise NotReadyError(message)
            pause.wait(0.3)

    def down(self) -> int:
        """Stop the supervisor, be it somebody's demo, and whatever a killed one left."""
        self.supervisor.stop(timeout=90)
        holder(self.root).stop(timeout=90)
        self.stack.stop()
        return 0

    def status(self) -> int:
        self.console.print(status.table(self.stack))
        return 0

    def logs(self) -> int:
        files = {name: service.log_file for name, service in self.stack.services.items()}
        with suppress(KeyboardInterrupt, Stopped):
            for line in Follower(files).forever():
                self.console.print(line, soft_wrap=True, highlight=False)
        return 0

    def clean(self) -> int:
        for path in self.root.iterdir():
            if path.is_dir() and path.name not in KEPT_BY_CLEAN:
                shutil.rmtree(path)
        return 0

    def demo(self, files: Sequence[Path], *, once: bool) -> int:
        """Send the files through a stack of our own, or through the one that is up.

        Our own stays until Ctrl-C, unless it is wanted `once`.
        """
        if self.supervisor.running:
            self.console.print("using the stack that is up")
            self._wait_for_supervisor()
            return self._demonstrate(files)
        with only_one(self.root):
            supervisor = Supervisor(self.stack, self._tell)
            try:
                supervisor.start()
                code = self._demonstrate(files)
                if not once:
                    self._stay()
            except (KeyboardInterrupt, Stopped):
                code = 0
            finally:
                be_deaf()
                supervisor.stop()
        return code

    def _demonstrate(self, files: Sequence[Path]) -> int:
        documents = files or self._made_documents()
        ok = Demo(self.stack, self.console).run(documents)
        where(self.stack, self.console)
        return 0 if ok else 1

    def _made_documents(self) -> Sequence[Path]:
        from docmill.testing.documents import demo_documents  # noqa: PLC0415 - slow to import

        folder = self.root / "documents"
        folder.mkdir(exist_ok=True)
        return demo_documents(folder)

    def _stay(self) -> None:
        self.console.print("\nUp until Ctrl-C; the services' logs follow.\n")
        self.logs()

    def _tell(self, message: str) -> None:
        self.console.print(f"[bold]==>[/] {message}", highlight=False, soft_wrap=True)


def existing(argument: str) -> Path:
    path = Path(argument)
    if not path.is_file():
        message = f"no such file: {argument}"
        raise argparse.ArgumentTypeError(message)
    return path


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make", description=__doc__)
    parser.add_argument("--root", type=Path, default=CHECKOUT / ".local", help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("up", "down", "status", "logs", "clean", "run"):
        commands.add_parser(name)
    demo = commands.add_parser("demo")
    demo.add_argument("files", nargs="*", type=existing)
    demo.add_argument("--once", action="store_true", help="end when the documents have ended")
    return parser.parse_args()


def stop(*_: object) -> NoReturn:
    raise Stopped


def be_deaf() -> None:
    """Let a second Ctrl-C not interrupt the clean end, whose time is bounded."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def main() -> int:
    arguments = vars(parsed())
    signal.signal(signal.SIGTERM, stop)
    # a shell that starts us in the background has us ignore it, and whoever sends it means it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    local = Local(arguments.pop("root").resolve(), Console())
    command: Callable[..., int] = getattr(local, arguments.pop("command"))
    try:
        return command(**arguments)
    except AlreadyRunningError:
        local.console.print("another one is at it: `make down` first")
    except (NotReadyError, subprocess.CalledProcessError) as exc:
        local.console.print(str(exc), style="red", markup=False, soft_wrap=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
