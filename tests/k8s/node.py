"""The one real node, and what runs on it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).parent
CACHE: Final = Path(os.environ.get("DOCMILL_TEST_K8S_CACHE", "/var/tmp/docmill-cache"))
FOLDER: Final = Path("/var/tmp/docmill-k8s-node")
PROGRAMS: Final = str(Path(sys.executable).parent)
RELEASE: Final = "docmill"
NAMESPACE: Final = "docmill"  # as in the documentation, whose commands run here
VALUES: Final = str(HERE / "values.yaml")


class Failed(Exception):
    """A command ended with an error; the message is what it said."""


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "CONTAINERS_CONF": str(CACHE / "podman" / "containers.conf"),
        "CONTAINERS_STORAGE_CONF": str(CACHE / "podman" / "storage.conf"),
        "KUBECONFIG": str(FOLDER / "admin.conf"),
        "PATH": f"{PROGRAMS}:{os.environ['PATH']}",
    }


def run(*command: object, timeout: float = 900) -> str:
    """Run a command with the node's kubectl and helm, and podman with its images; raise Failed."""
    done = subprocess.run(
        [str(part) for part in command],
        env=environment(),
        cwd=ROOT,
        capture_output=True,
        check=False,
        text=True,
        timeout=timeout,
    )
    if done.returncode:
        raise Failed(f"{command[0]}: {done.stdout}\n{done.stderr}")
    return done.stdout


def kubectl(*arguments: object) -> str:
    return run("kubectl", "--namespace", NAMESPACE, *arguments)


def helm(*arguments: object) -> str:
    return run("helm", "--namespace", NAMESPACE, *arguments)


def deploy(*arguments: object) -> str:
    """Run the project's own script."""
    return run(
        ROOT / "deploy" / "scripts" / "deploy",
        *("--release", RELEASE, "--namespace", NAMESPACE, "--values", VALUES),
        *arguments,
    )


def install() -> str:
    """Install with the stores of the evaluation, as the how-to says."""
    chart = ROOT / "k8s" / "docmill"
    return helm(
        *("install", RELEASE, chart, "--create-namespace", "--values", VALUES),
        *("--wait", "--timeout", "6m"),
    )


def listed(kind: str, **labels: str) -> list[dict[str, Any]]:
    """Give the release's objects of a kind."""
    selector = {"app.kubernetes.io/instance": RELEASE} | {
        f"app.kubernetes.io/{name}": value for name, value in labels.items()
    }
    text = ",".join(f"{name}={value}" for name, value in selector.items())
    found: list[dict[str, Any]] = json.loads(
        kubectl("get", kind, "--selector", text, "--output", "json")
    )["items"]
    return found


def ready(component: str) -> list[bool]:
    """Give whether each pod of a component is ready."""
    return [
        all(each["ready"] for each in pod["status"].get("containerStatuses", [{"ready": False}]))
        for pod in listed("pods", component=component)
        if "deletionTimestamp" not in pod["metadata"]
    ]


def services() -> list[dict[str, Any]]:
    """Give the services' pods: neither stores nor what comes and goes."""
    told = kubectl("get", "pods", "--selector", "docmill.dev/metrics=true", "--output", "json")
    found: list[dict[str, Any]] = json.loads(told)["items"]
    return found


def restarts() -> int:
    """Give how often containers of the services were restarted."""
    return sum(
        status["restartCount"]
        for pod in services()
        for status in pod["status"].get("containerStatuses", ())
    )


def asked(component: str, path: str) -> dict[str, Any]:
    """Give what the first pod of a component answers; raise Failed when that is no 200."""
    name = listed("pods", component=component)[0]["metadata"]["name"]
    where = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}:8081/proxy/{path}"
    said: dict[str, Any] = json.loads(run("kubectl", "get", "--raw", where))
    return said


def admin(*arguments: str) -> str:
    return kubectl("exec", f"deploy/{RELEASE}-ingest", "--", "docmill-admin", *arguments)


def api() -> str:
    """Give the address of the API's Service, in reach of this machine."""
    service = json.loads(kubectl("get", "service", RELEASE, "--output", "json"))
    return f"http://{service['spec']['clusterIP']}"


@contextmanager
def frozen(component: str) -> Iterator[None]:
    """Stop a store in the middle of what it does, as a host that hangs."""
    status = listed("pods", component=component)[0]["status"]["containerStatuses"][0]
    container = status["containerID"].removeprefix("containerd://")
    ctr = ("ctr", "-a", FOLDER / "containerd.sock", "-n", "k8s.io", "task")
    run(*ctr, "pause", container)
    try:
        yield
    finally:
        run(*ctr, "resume", container)


@contextmanager
def node() -> Iterator[None]:
    """Run the node for the length of a block; what an earlier run left is taken away first."""
    down()
    try:
        run(
            HERE / "node" / "up.sh",
            *(CACHE / "kubernetes-1.20.2", FOLDER, CACHE / "pause.tar", CACHE / "images.tar"),
        )
        yield
    finally:
        down()


def prepare() -> None:
    """Make the node's programs and the images, unless the cache has them."""
    subprocess.run([str(HERE / "prepare.sh"), str(CACHE)], check=True)


def down() -> None:
    if FOLDER.exists():
        run(HERE / "node" / "down.sh", FOLDER)
        run("rm", "-rf", FOLDER)
