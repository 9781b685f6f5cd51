"""The chart as helm renders it."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "k8s" / "docmill"
SERVICES: Final = (
    "ingest",
    "dispatcher",
    "validator",
    "ocr",
    "thumbnailer",
    "notifier",
    "scheduler",
)
NEWEST: Final = "1.37.0"
# What an operator with stores of their own must give.
MANAGED: Final[dict[str, Any]] = {
    "secret": {"existing": "docmill-stores"},
    "s3": {"endpoint": "https://s3.example.com"},
}
EVALUATION: Final[dict[str, Any]] = {"evaluation": {"enabled": True, "password": "a" * 24}}
EVERYTHING: Final[dict[str, Any]] = MANAGED | {
    "ingress": {"enabled": True, "host": "docmill.example.com"},
    "certificates": {"configMap": "stores-ca"},
    "ingest": {"autoscaling": {"enabled": True}},
    "keda": {"enabled": True},
    "monitoring": {
        "serviceMonitor": {"enabled": True},
        "rules": {"enabled": True},
        "dashboards": {"enabled": True},
    },
}

Object = dict[str, Any]
Objects = dict[tuple[str, str], Object]


class HelmRefused(Exception):
    """helm ended with an error; the message is its own."""


def helm(*arguments: str, values: dict[str, Any] | None = None) -> str:
    """Run helm with values on its input and give what it printed; raise HelmRefused."""
    given = ["--values", "-"] if values is not None else []
    done = subprocess.run(
        [str(Path(sys.executable).parent / "helm"), *arguments, *given],
        input=json.dumps(values),
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode:
        raise HelmRefused(done.stderr + done.stdout)
    return done.stdout


@cache
def _rendered(values: str, arguments: tuple[str, ...]) -> str:
    return helm("template", "mill", str(CHART), *arguments, values=json.loads(values))


def rendered(values: dict[str, Any], kubernetes: str = NEWEST, *arguments: str) -> str:
    """Render for a version of Kubernetes."""
    return _rendered(json.dumps(values), ("--kube-version", kubernetes, *arguments))


def objects(values: dict[str, Any], kubernetes: str = NEWEST, *arguments: str) -> Objects:
    """Give every object the chart makes, by kind and name without the release's."""
    made = yaml.safe_load_all(rendered(values, kubernetes, *arguments))
    return {
        (
            each["kind"],
            each["metadata"]["name"].removeprefix("mill-docmill").removeprefix("-"),
        ): each
        for each in made
        if each
    }


def pods(made: Objects) -> dict[str, Object]:
    """Give the pod specs of every object that has one."""
    found = {}
    for (kind, name), each in made.items():
        if kind == "Pod":
            found[f"{kind} {name}"] = each["spec"]
        elif "template" in each.get("spec", {}):
            found[f"{kind} {name}"] = each["spec"]["template"]["spec"]
    return found


def containers(made: Objects) -> dict[str, Object]:
    """Give every container, init containers too."""
    return {
        f"{name} {container['name']}": container
        for name, pod in pods(made).items()
        for container in (*pod.get("initContainers", ()), *pod["containers"])
    }


def container(made: Objects, service: str) -> Object:
    """Give a service's container."""
    found: Object = made["Deployment", service]["spec"]["template"]["spec"]["containers"][0]
    return found


def environment(container: Object) -> dict[str, Any]:
    """Give a container's variables; those from a Secret as `secret:key`."""
    return {
        each["name"]: each.get("value")
        or "{name}:{key}".format(**each["valueFrom"]["secretKeyRef"])
        for each in container.get("env", ())
    }
