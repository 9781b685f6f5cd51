"""A release from its install to its end, on a real node; in this order."""

import pytest

from docmill.testing.documents import born_digital_pdf, scanned_pdf
from docmill_client import Client
from tests.k8s import node
from tests.k8s.conftest import Tell, all_ready, settled
from tests.k8s.load import Load
from tests.stack.chart import SERVICES
from tests.stack.wait import until

PDF = born_digital_pdf(1)
QUICK = ("--watch", "15", "--timeout", "100s")
REFUSED = {
    ("--backlog-seconds", "-1"): "let the backlog drain",
    ("--set", "ocr.replicas=many"): "ocr/replicas",
    (
        *("--set", "evaluation.enabled=false", "--set", "s3.endpoint=http://s3:9000"),
        *("--set", "secret.existing=not-there"),
    ): "there is no Secret not-there",
}
TEST = {("ConfigMap", "docmill-test"), ("Pod", "docmill-test")}  # of the last `helm test`


def load(key: str, *, pace: float = 0.36, document: bytes = PDF) -> Load:
    return Load(node.api(), key, document, pace=pace)


def tags(service: str) -> set[str]:
    """Give the tags of the images that a service's pods run."""
    return {
        container["image"].removeprefix(f"localhost/docmill-{service}:")
        for pod in node.listed("pods", component=service)
        for container in pod["spec"]["containers"]
        if "deletionTimestamp" not in pod["metadata"]
    }


def test_a_real_page_goes_through_the_pods(release: str, tell: Tell) -> None:
    told = node.helm("test", release, "--logs")
    assert "Three bridges cross the river" in told
    tell("its text came back")


def test_the_services_waited_for_the_stores(release: str, tell: Tell) -> None:
    assert node.restarts() == 0
    tell(f"{len(node.services())} pods of the services, no restart since the install")


def test_a_deployment_is_checked_before_anything_is_changed(release: str, tell: Tell) -> None:
    before = node.helm("history", release)
    told = node.deploy("--set", "image.tag=next", "--dry-run")
    assert "nothing was changed" in told
    assert "image: localhost/docmill-ocr:next" in told
    for refused, why in REFUSED.items():
        with pytest.raises(node.Failed, match=why):
            node.deploy(*refused)
    assert node.helm("history", release) == before
    tell(f"a dry run and {len(REFUSED)} refusals changed nothing")


def test_an_upgrade_of_code_and_schema_under_load_fails_nobody(key: str, tell: Tell) -> None:
    with load(key) as callers:
        told = node.deploy("--set", "image.tag=next", "--watch", "15", "--timeout", "6m")
    assert callers.failures == {}
    assert callers.requests / callers.seconds >= 20
    lost = settled(key, callers.accepted)
    tell(f"{callers}; {len(callers.accepted)} documents, {lost} not ready")
    assert lost == 0
    assert "serves" in told
    column = "SELECT next_release FROM document LIMIT 1"
    database = ("exec", f"{node.RELEASE}-postgresql-0", "--", "sh", "-c")
    node.kubectl(
        *database, f'PGPASSWORD=$POSTGRES_PASSWORD psql -h localhost -U docmill -c "{column}"'
    )


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (("--set", "image.tag=never-built"), "an image that nobody can fetch"),
        (("--set", "image.tag=bad-migration"), "a migration that fails"),
        (
            ("--set", "dispatcher.settings.DOCMILL_DATABASE_POOL_SIZE=many"),
            "pods that never become ready",
        ),
    ],
    ids=["image", "migration", "readiness"],
)
def test_a_bad_upgrade_rolls_back_by_itself(
    fault: tuple[str, str], why: str, key: str, tell: Tell
) -> None:
    with load(key, pace=1) as callers, pytest.raises(node.Failed, match="rolled back"):
        node.deploy("--set", "image.tag=next", *fault, *QUICK)
    assert [tags(service) for service in ("ingest", "dispatcher", "ocr")] == [{"next"}] * 3
    assert callers.failures == {}
    lost = settled(key, callers.accepted)
    tell(f"{why}: {callers}; {len(callers.accepted)} documents, {lost} not ready")
    assert lost == 0


def test_a_release_that_its_watch_finds_unwell_is_taken_back(key: str, tell: Tell) -> None:
    unwell = ("--most-errors", "-1")  # no release is well enough
    with load(key, pace=1) as callers, pytest.raises(node.Failed, match="rolling back to revision"):
        node.deploy("--set", "image.tag=test", "--no-smoke-test", *unwell, *QUICK)
    assert tags("ingest") == {"next"}
    assert callers.failures == {}
    lost = settled(key, callers.accepted)
    tell(f"{callers}; {len(callers.accepted)} documents, {lost} not ready")
    assert lost == 0


def test_the_old_version_is_back_by_one_command(key: str, tell: Tell) -> None:
    with load(key, pace=1) as callers:
        told = node.run(
            node.ROOT / "deploy" / "scripts" / "rollback",
            *("--release", node.RELEASE, "--namespace", node.NAMESPACE, "--watch", "15", "1"),
        )
    assert "revision 1 serves again" in told
    assert tags("ingest") == {"test"}
    assert callers.failures == {}
    lost = settled(key, callers.accepted)
    tell(f"{callers}; {len(callers.accepted)} documents, {lost} not ready")
    assert lost == 0


def test_ocr_is_scaled_up_and_down_in_the_middle_of_work(key: str, tell: Tell) -> None:
    with load(key, pace=4, document=scanned_pdf(1, 100)) as callers:
        node.kubectl("scale", f"deploy/{node.RELEASE}-ocr", "--replicas", "3")
        all_ready("ocr", 3)
        node.kubectl("scale", f"deploy/{node.RELEASE}-ocr", "--replicas", "1")
        until(lambda: len(node.listed("pods", component="ocr")) == 1, within=120, every=0.5)
    lost = settled(key, callers.accepted)
    tell(f"1 to 3 to 1: {callers}; {len(callers.accepted)} scans, {lost} not ready")
    assert (callers.failures, lost) == ({}, 0)


def test_all_pods_of_a_kind_leave_at_once(key: str, tell: Tell) -> None:
    with load(key, pace=4, document=scanned_pdf(1, 100)) as callers:
        gone = {pod["metadata"]["name"] for pod in node.listed("pods", component="ocr")}
        node.kubectl("delete", "pod", *gone, "--wait=true")
        all_ready("ocr", 1)
    lost = settled(key, callers.accepted)
    tell(f"{callers}; {len(callers.accepted)} scans, {lost} not ready")
    assert (callers.failures, lost) == ({}, 0)


def becomes(component: str, status: str) -> None:
    """Wait until a component says so of itself."""
    until(lambda: node.asked(component, "readyz")["status"] == status, within=180, every=1)


def all_live() -> None:
    for component in SERVICES:
        assert node.asked(component, "livez")["status"] == "alive"


def test_a_store_that_hangs_is_told_by_readiness_and_restarts_nobody(
    release: str, tell: Tell
) -> None:
    before = node.restarts()
    with node.frozen("s3"):
        becomes("ingest", "degraded")
        assert node.ready("ingest") == [True, True]
        with pytest.raises(node.Failed, match="is degraded: s3"):
            node.deploy("--dry-run")
        all_live()
    becomes("ingest", "ready")
    with node.frozen("rabbitmq"):
        becomes("dispatcher", "degraded")
        becomes("ocr", "degraded")
        assert node.ready("ocr") == [True]
        assert node.asked("ingest", "readyz")["status"] == "ready"
        all_live()
    becomes("ocr", "ready")
    with node.frozen("postgresql"):
        until(lambda: not any(node.ready("ingest")), within=120, every=1)
        until(lambda: not any(node.ready("ocr")), within=60, every=1)
        all_live()
    all_ready("ingest", 2)
    all_ready("ocr", 1)
    assert node.restarts() == before
    tell("S3, RabbitMQ: degraded, in rotation; PostgreSQL: unready, then back; all live throughout")


def test_the_upgrade_finished_the_migration_before(release: str, tell: Tell) -> None:
    told = node.admin("migrate", "--finish")
    assert told == "nothing to do\n"
    tell("nothing was left to finish")


def test_an_uninstall_leaves_what_it_says(key: str, tell: Tell) -> None:
    with Client(node.api(), key) as client:
        assert list(client.list(limit=1))
    node.helm("uninstall", node.RELEASE, "--wait", "--timeout", "3m")
    until(lambda: left() <= TEST, within=180, every=1)  # pods may take their time to leave
    tell(", ".join(f"{kind} {name}" for kind, name in sorted(left())))


def left() -> set[tuple[str, str]]:
    """What there is of the release in its namespace."""
    kinds = "all,configmap,secret,serviceaccount,pvc,networkpolicy,pdb,ingress"
    return {(each["kind"], each["metadata"]["name"]) for each in node.listed(kinds)}
