"""Debian's Prometheus, Alertmanager and node exporter beside a stack, with the shipped files.

Every duration in the rules and routes is divided by FACTOR: a minute becomes a second. Rates are by
the second, and thresholds stay as they are.
"""

import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from deploy.grafana.src.rule import RULES
from deploy.local.process import Process
from deploy.local.server import environment
from deploy.local.stack import Stack
from tests.stack.receiver import answering, receiving
from tests.stack.wait import until

FACTOR: Final = 60
ROUTES: Final = RULES.parents[1] / "alertmanager"
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION: Final = re.compile(
    r"(?P<before>\[|offset |(?:for|group_wait|group_interval|repeat_interval|resolve_timeout): )"
    r"(?P<number>\d+)(?P<unit>[smhd])\b"
)
_PROGRAMS: Final = ("prometheus", "prometheus-alertmanager", "prometheus-node-exporter")

Series = Mapping[str, Any]


def scaled(text: str) -> str:
    """Divide the durations of rules, routes and expressions by FACTOR."""

    def shorter(found: re.Match[str]) -> str:
        seconds = int(found["number"]) * _SECONDS[found["unit"]]
        return f"{found['before']}{max(1, seconds // FACTOR)}s"

    return _DURATION.sub(shorter, text)


@dataclass
class Monitoring:
    """What watches, and who was told."""

    url: str
    told: list[tuple[dict[str, str], bytes]]

    def query(self, expr: str) -> list[Series]:
        """Ask for the present value of an expression."""
        found: list[Series] = self._asked("query", query=_local(expr))
        return found

    def values(self, expr: str, over: int = 60) -> list[float]:
        """Return every number that the expression gave within so many seconds."""
        now = time.time()
        rows = self._asked("query_range", query=_local(expr), start=now - over, end=now, step=1)
        numbers = [float(value) for row in rows for _, value in row["values"]]
        return [number for number in numbers if not isnan(number)]

    def value(self, expr: str) -> float:
        """Return the sum of the present values of an expression's series."""
        numbers = [float(row["value"][1]) for row in self.query(expr)]
        return sum(number for number in numbers if not isnan(number))

    def firing(self) -> dict[str, dict[str, str]]:
        """Return the labels of what fires, by the alerts' names."""
        alerts = httpx.get(f"{self.url}/api/v1/alerts").raise_for_status().json()["data"]["alerts"]
        firing = [each["labels"] for each in alerts if each["state"] == "firing"]
        return {labels["alertname"]: labels for labels in firing}

    def notified(self, alert: str) -> list[str]:
        """Return what was sent to people about an alert."""
        bodies = [body.decode() for _, body in self.told]
        return [body for body in bodies if alert in body]

    def _asked(self, path: str, **query: Any) -> Any:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=query)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()["data"]["result"]


@contextmanager
def monitoring(stack: Stack) -> Iterator[Monitoring]:
    """Watch a running stack for the length of a block."""
    folder = stack.root / "monitoring"
    folder.mkdir()
    ports = {name: stack.servers.ports.usable(name) for name in _PROGRAMS}
    with ExitStack() as opened:
        people = opened.enter_context(receiving(answering(202, b"{}")))
        _write(folder, stack, ports, people.port)
        for name, flags in _flags(folder, ports).items():
            process = Process(name, folder / f"{name}.pid", stack.root / "logs" / f"{name}.log")
            process.start([_program(name), *flags], env=environment(), cwd=folder)
            opened.callback(process.kill)
        url = f"http://127.0.0.1:{ports['prometheus']}"
        until(lambda: _ready(url), within=60)
        yield Monitoring(url, people.got)


def _program(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is missing: run `make setup`"
    return found


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _flags(folder: Path, ports: Mapping[str, int]) -> dict[str, list[str]]:
    def listen(name: str) -> str:
        return f"--web.listen-address=127.0.0.1:{ports[name]}"

    return {
        "prometheus": [
            listen("prometheus"),
            f"--config.file={folder}/prometheus.yaml",
            f"--storage.tsdb.path={folder}/data",
        ],
        "prometheus-alertmanager": [
            listen("prometheus-alertmanager"),
            f"--config.file={folder}/alertmanager.yaml",
            f"--storage.path={folder}/alertmanager",
            "--cluster.listen-address=",
        ],
        "prometheus-node-exporter": [listen("prometheus-node-exporter")],
    }


def _write(folder: Path, stack: Stack, ports: Mapping[str, int], people: int) -> None:
    for file in RULES.glob("*.yaml"):
        (folder / f"rules-{file.name}").write_text(scaled(file.read_text()))
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(_scraping(stack, ports)))
    shutil.copy(ROUTES / "docmill.tmpl", folder)
    _write_routes(folder, people)


def _write_routes(folder: Path, people: int) -> None:
    """Write the shipped routes with everybody's address on loopback; nobody takes the mail."""
    here = f"http://127.0.0.1:{people}"
    secrets = {"slack-url": f"{here}/slack", "pagerduty-key": "key", "smtp-password": "none"}
    for name, secret in secrets.items():
        (folder / name).write_text(secret)
    routes = (ROUTES / "alertmanager.yaml").read_text()
    for outside, inside in {
        "/etc/alertmanager/secrets/": f"{folder}/",
        "smtp.example.org:587": "127.0.0.1:9",
        "global:": f"global:\n  pagerduty_url: {here}/pagerduty",
    }.items():
        routes = routes.replace(outside, inside)
    (folder / "alertmanager.yaml").write_text(scaled(routes))


def _scraping(stack: Stack, ports: Mapping[str, int]) -> dict[str, Any]:
    """Return the shipped configuration with every address on loopback, and the node besides."""
    targets = {
        f"docmill-{name}": service.health.removeprefix("http://")
        for name, service in stack.services.items()
    }
    targets["rabbitmq"] = stack.rabbitmq.metrics.removeprefix("http://").removesuffix("/metrics")
    shipped: dict[str, Any] = yaml.safe_load((RULES.parent / "prometheus.yaml").read_text())
    jobs = [each["job_name"] for each in shipped["scrape_configs"]]
    assert sorted(jobs) == sorted(targets)
    targets["node"] = f"127.0.0.1:{ports['prometheus-node-exporter']}"
    manager = f"127.0.0.1:{ports['prometheus-alertmanager']}"
    return shipped | {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules-*.yaml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [manager]}]}]},
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [targets[job]]}]}
            for job in (*jobs, "node")
        ],
    }


def _local(expr: str) -> str:
    """There is one namespace here, which has no name."""
    return scaled(expr.replace("$namespace", ".*"))
