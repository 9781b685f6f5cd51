"""What Prometheus learns of the node from the chart's ServiceMonitor, its rules and the kubelet."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import yaml

from deploy.local.process import Process
from deploy.local.server import environment
from tests.k8s import node
from tests.k8s.conftest import Tell
from tests.stack.chart import SERVICES
from tests.stack.promql import of_containers
from tests.stack.wait import until

KUBELET: Final = "10.197.0.10:10250"
MONITORED: Final = (
    *("--set", "monitoring.serviceMonitor.enabled=true"),
    *("--set", "monitoring.rules.enabled=true"),
)


def made() -> dict[str, Any]:
    """Give the specs of what the chart makes for the Prometheus operator, by their kinds."""
    chart = node.ROOT / "k8s" / "docmill"
    text = node.helm("template", node.RELEASE, chart, "--values", node.VALUES, *MONITORED)
    wanted = {"ServiceMonitor", "PrometheusRule"}
    every = yaml.safe_load_all(text)
    return {each["kind"]: each["spec"] for each in every if each and each["kind"] in wanted}


def of_services(monitor: Mapping[str, Any]) -> dict[str, Any]:
    """Scrape as the operator has it done; Debian's Prometheus cannot ask a cluster itself."""
    (endpoint,) = monitor["endpoints"]
    relabelings = [
        {
            "source_labels": each["sourceLabels"],
            "target_label": each["targetLabel"],
            "replacement": each["replacement"],
        }
        for each in endpoint["relabelings"]
    ]
    return {
        "job_name": "services",
        "metrics_path": endpoint["path"],
        "relabel_configs": relabelings,
        "static_configs": list(targets(monitor["selector"]["matchLabels"], endpoint["port"])),
    }


def targets(labels: Mapping[str, str], port: str) -> Iterator[dict[str, Any]]:
    """Give each pod behind the selected Service with what the cluster says of it."""
    selector = ",".join(f"{name}={value}" for name, value in labels.items())
    (found,) = yaml.safe_load(node.kubectl("get", "endpoints", "-l", selector, "-o", "yaml"))[
        "items"
    ]
    components = {
        pod["metadata"]["name"]: pod["metadata"]["labels"]["app.kubernetes.io/component"]
        for pod in node.services()
    }
    for subset in found["subsets"]:
        (number,) = [each["port"] for each in subset["ports"] if each["name"] == port]
        for address in subset["addresses"]:
            pod = address["targetRef"]["name"]
            yield {
                "targets": [f"{address['ip']}:{number}"],
                "labels": {
                    "namespace": node.NAMESPACE,
                    "pod": pod,
                    "__meta_kubernetes_pod_label_app_kubernetes_io_component": components[pod],
                },
            }


def of_the_kubelet() -> dict[str, Any]:
    return {
        "job_name": "kubelet",
        "scheme": "https",
        "metrics_path": "/metrics/cadvisor",
        "honor_labels": True,
        "tls_config": {
            "cert_file": str(node.FOLDER / "admin.crt"),
            "key_file": str(node.FOLDER / "admin.key"),
            "insecure_skip_verify": True,  # the kubelet signs for itself
        },
        "static_configs": [{"targets": [KUBELET]}],
    }


@pytest.fixture(scope="module")
def prometheus(release: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Watch the release with what the chart makes; the address to ask."""
    folder = tmp_path_factory.mktemp("prometheus")
    chart = made()
    (folder / "rules.yaml").write_text(
        yaml.safe_dump({"groups": chart["PrometheusRule"]["groups"]})
    )
    configuration = {
        "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [of_services(chart["ServiceMonitor"]), of_the_kubelet()],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    with running(folder) as url:
        yield url


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def running(folder: Path) -> Iterator[str]:
    address = f"127.0.0.1:{free_port()}"
    process = Process("prometheus", folder / "pid", folder / "log")
    process.start(
        [
            *("prometheus", f"--web.listen-address={address}"),
            *(f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data"),
        ],
        env=environment(),
        cwd=folder,
    )
    try:
        yield f"http://{address}"
    finally:
        process.kill()


def asked(url: str, expr: str) -> list[dict[str, Any]]:
    """Give the labels of each series; none as long as nobody answers."""
    try:
        answer = httpx.get(f"{url}/api/v1/query", params={"query": expr})
    except httpx.HTTPError:
        return []
    if answer.status_code != httpx.codes.OK:
        return []
    return [each["metric"] for each in answer.json()["data"]["result"]]


def test_each_service_is_a_job_of_its_own(prometheus: str, tell: Tell) -> None:
    jobs = {f"docmill-{service}" for service in SERVICES}

    def answering() -> set[str]:
        return {each["job"] for each in asked(prometheus, 'up{job!="kubelet"} == 1')}

    until(lambda: answering() == jobs, within=60, every=0.5)
    tell(f"{len(jobs)} jobs answer")


def test_the_panels_about_containers_answer(prometheus: str, tell: Tell) -> None:
    pods = {pod["metadata"]["name"] for pod in node.services()}

    def complete(expr: str) -> bool:
        return {row["pod"] for row in asked(prometheus, expr)} >= pods

    for each in of_containers():
        until(
            partial(complete, each.expr.replace("$namespace", node.NAMESPACE)), within=120, every=1
        )
    tell(f"{len(of_containers())} panels have each of the {len(pods)} pods")
