"""The cluster and the release, as kubectl and helm tell of them."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

HEALTH_PORT: Final = 8081


class CommandFailed(Exception):
    """kubectl or helm ended with an error; the message is its own."""


def run(*command: str, given: str | None = None) -> str:
    """Run a command and give what it printed; raise CommandFailed."""
    try:
        done = subprocess.run(
            list(command), capture_output=True, check=False, text=True, input=given
        )
    except FileNotFoundError as error:
        raise CommandFailed(f"{command[0]} is not installed") from error
    if done.returncode:
        # `helm lint` tells what is wrong on stdout, and on stderr that something is
        told = "\n".join(filter(None, (done.stdout.strip(), done.stderr.strip())))
        raise CommandFailed(f"{' '.join(command[:3])}: {told}")
    return done.stdout


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of the release."""

    name: str
    service: str
    ready: bool
    restarts: int
    leaving: bool


@dataclass(frozen=True, slots=True)
class Release:
    """A release of the chart in a namespace."""

    name: str
    namespace: str

    def kubectl(self, *arguments: str) -> str:
        return run("kubectl", "--namespace", self.namespace, *arguments)

    def helm(self, *arguments: str) -> str:
        return run("helm", "--namespace", self.namespace, *arguments)

    def revision(self) -> int | None:
        """Give the revision that is deployed; None when nothing is installed."""
        deployed = [each for each in self.history() if each["status"] == "deployed"]
        return int(deployed[-1]["revision"]) if deployed else None

    def history(self) -> list[dict[str, Any]]:
        """Give every revision that helm remembers, the oldest first."""
        try:
            told = self.helm("history", self.name, "--output", "json")
        except CommandFailed as error:
            if "not found" in str(error):
                return []
            raise
        found: list[dict[str, Any]] = json.loads(told)
        return found

    def pods(self) -> list[Pod]:
        """Give the pods of the services."""
        selector = f"app.kubernetes.io/instance={self.name},docmill.dev/metrics=true"
        told = self.kubectl("get", "pods", "--selector", selector, "--output", "json")
        return [_pod(each) for each in json.loads(told)["items"]]

    def ask(self, pod: Pod, path: str) -> str:
        """Give what a pod answers on its health port, through the API server."""
        where = f"/api/v1/namespaces/{self.namespace}/pods/{pod.name}:{HEALTH_PORT}/proxy/{path}"
        return run("kubectl", "get", "--raw", where)

    def samples(self, pod: Pod) -> dict[str, float]:
        """Give a pod's metrics by series."""
        return dict(_series(self.ask(pod, "metrics")))


def _pod(item: dict[str, Any]) -> Pod:
    statuses = item["status"].get("containerStatuses", [])
    return Pod(
        name=item["metadata"]["name"],
        service=item["metadata"]["labels"]["app.kubernetes.io/component"],
        ready=bool(statuses) and all(each["ready"] for each in statuses),
        restarts=sum(each["restartCount"] for each in statuses),
        leaving="deletionTimestamp" in item["metadata"],
    )


def _series(text: str) -> Iterator[tuple[str, float]]:
    for line in text.splitlines():
        if line and not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            yield series, float(value)
