"""What the chart makes, and what it refuses."""

import tomllib
from typing import Any

import pytest
import yaml
from kubernetes_validate import validate

from deploy.scripts.settings import SERVICES as SETTINGS
from tests.stack.chart import (
    CHART,
    EVALUATION,
    EVERYTHING,
    MANAGED,
    NEWEST,
    ROOT,
    SERVICES,
    HelmRefused,
    container,
    containers,
    environment,
    helm,
    objects,
    pods,
    rendered,
)

# CRDs have no schema among Kubernetes' own.
FOREIGN = {"ScaledObject", "ServiceMonitor", "PrometheusRule"}
ALL = {"managed": MANAGED, "everything": EVERYTHING, "evaluation": EVALUATION}


@pytest.fixture(params=list(ALL.values()), ids=list(ALL))
def values(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


# ── validity ─────────────────────────────────────────────────────────────────────────────────────
def test_helm_finds_nothing_to_complain_about(values: dict[str, Any]) -> None:
    helm("lint", "--strict", str(CHART), values=values)


@pytest.mark.parametrize("kubernetes", [f"1.{minor}" for minor in range(29, 38)])
def test_every_object_fits_the_schemas_of(kubernetes: str, values: dict[str, Any]) -> None:
    for (kind, _), each in objects(values, f"{kubernetes}.0").items():
        if kind not in FOREIGN:
            validate(each, kubernetes, strict=True)


def test_an_old_cluster_gets_the_interfaces_it_has() -> None:
    old, new = objects(EVERYTHING, "1.20.2"), objects(EVERYTHING)
    changed = {kind: (old[kind, name]["apiVersion"], each["apiVersion"])
               for (kind, name), each in new.items()
               if old[kind, name]["apiVersion"] != each["apiVersion"]}  # fmt: skip
    assert changed == {
        "PodDisruptionBudget": ("policy/v1beta1", "policy/v1"),
        "HorizontalPodAutoscaler": ("autoscaling/v2beta2", "autoscaling/v2"),
    }


def test_no_two_objects_share_a_name(values: dict[str, Any]) -> None:
    every = [each for each in yaml.safe_load_all(rendered(values)) if each]
    assert len(every) == len(objects(values))


def test_names_stay_valid_however_long_the_release_is() -> None:
    made = helm("template", "a" * 53, str(CHART), values=EVERYTHING)
    for each in yaml.safe_load_all(made):
        if each:
            assert len(each["metadata"]["name"]) <= 63
            assert all(len(str(label)) <= 63 for label in each["metadata"]["labels"].values())


def test_the_chart_installs_the_version_it_lies_beside() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    package = tomllib.loads((ROOT / "shared" / "docmill" / "pyproject.toml").read_text())
    assert chart["appVersion"] == package["project"]["version"]


def test_every_port_of_a_service_names_its_protocol(values: dict[str, Any]) -> None:
    """Kubernetes 1.20 refuses helm 4's server-side apply otherwise."""
    services = [each for (kind, _), each in objects(values).items() if kind == "Service"]
    assert all(port["protocol"] == "TCP" for each in services for port in each["spec"]["ports"])


# ── security ─────────────────────────────────────────────────────────────────────────────────────
def test_every_container_is_confined(values: dict[str, Any]) -> None:
    for name, each in containers(objects(values)).items():
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name


def test_every_pod_runs_as_an_ordinary_user_without_a_token(values: dict[str, Any]) -> None:
    for name, pod in pods(objects(values)).items():
        context = pod["securityContext"]
        assert context["runAsNonRoot"] is True, name
        assert context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name


def test_every_container_has_requests_and_a_memory_limit(values: dict[str, Any]) -> None:
    for name, each in containers(objects(values)).items():
        assert each["resources"]["limits"].keys() == {"cpu", "memory"}, name
        assert each["resources"]["requests"].keys() == {"cpu", "memory"}, name


def test_every_image_has_a_tag_that_stays(values: dict[str, Any]) -> None:
    for name, each in containers(objects(values)).items():
        _, _, tag = each["image"].rpartition(":")
        assert tag not in {"", "latest"}, name


@pytest.mark.parametrize(
    ("service", "secrets"),
    {
        "ingest": {"DOCMILL_DATABASE_URL", "DOCMILL_S3_ACCESS_KEY", "DOCMILL_S3_SECRET_KEY"},
        "dispatcher": {"DOCMILL_DATABASE_URL", "DOCMILL_RABBITMQ_URL"},
        "notifier": {"DOCMILL_DATABASE_URL", "DOCMILL_RABBITMQ_URL"},
        "scheduler": {"DOCMILL_DATABASE_URL", "DOCMILL_S3_ACCESS_KEY", "DOCMILL_S3_SECRET_KEY"},
    }.items(),
)
def test_a_service_knows_the_ways_to_its_own_stores_only(service: str, secrets: set[str]) -> None:
    known = environment(container(objects(MANAGED), service))
    assert {name for name, value in known.items() if value == f"docmill-stores:{name}"} == secrets


def test_everything_is_denied_and_each_service_let_to_its_stores() -> None:
    made = objects(EVALUATION)
    deny = made["NetworkPolicy", "default-deny"]["spec"]
    assert deny["policyTypes"] == ["Ingress", "Egress"]
    assert not deny.keys() & {"ingress", "egress"}
    assert reached(made, "dispatcher") == {53, 5432, 5672}
    assert reached(made, "scheduler") == {53, 5432, 8333}
    assert reached(made, "notifier") == {53, 5432, 5672, 80, 443}
    covered = {name for kind, name in made if kind == "NetworkPolicy"}
    assert {*SERVICES, "migrate", "test", "postgresql", "rabbitmq", "s3"} <= covered


def reached(made: dict[tuple[str, str], Any], service: str) -> set[int]:
    rules = made["NetworkPolicy", service]["spec"]["egress"]
    return {port["port"] for rule in rules for port in rule["ports"]}


def test_webhooks_reach_no_private_network() -> None:
    rules = objects(MANAGED)["NetworkPolicy", "notifier"]["spec"]["egress"]
    (outside,) = [rule["to"][0]["ipBlock"] for rule in rules if {"port": 443} in rule["ports"]
                  and "to" in rule]  # fmt: skip
    assert {"10.0.0.0/8", "192.168.0.0/16", "169.254.0.0/16"} <= set(outside["except"])


# ── every service ────────────────────────────────────────────────────────────────────────────────
def test_each_service_is_a_deployment_with_a_disruption_budget() -> None:
    made = objects(MANAGED)
    for service in SERVICES:
        selector = made["Deployment", service]["spec"]["selector"]
        assert made["PodDisruptionBudget", service]["spec"]["selector"] == selector
        labels = made["Deployment", service]["spec"]["template"]["metadata"]["labels"]
        assert selector["matchLabels"].items() <= labels.items()


def test_liveness_asks_the_service_of_itself_and_readiness_of_its_stores() -> None:
    for service in SERVICES:
        each = container(objects(MANAGED), service)
        paths = {probe: each[f"{probe}Probe"]["httpGet"]["path"] for probe in
                 ("startup", "liveness", "readiness")}  # fmt: skip
        assert paths == {"startup": "/livez", "liveness": "/livez", "readiness": "/readyz"}
        # an examination takes up to 5 s
        assert all(each[f"{probe}Probe"]["timeoutSeconds"] > 5 for probe in paths)


def test_a_pod_may_take_as_long_to_leave_as_its_drain() -> None:
    made = objects(MANAGED | {"ocr": {"settings": {"DOCMILL_DRAIN_SECONDS": 240}},
                              "settings": {"DOCMILL_DRAIN_SECONDS": 60}})  # fmt: skip
    grace = {
        service: made["Deployment", service]["spec"]["template"]["spec"][
            "terminationGracePeriodSeconds"
        ]
        for service in SERVICES
    }
    assert grace["ocr"] == 240 + 15
    assert grace["validator"] == 60 + 15
    assert grace["ingest"] == 60 + 15 + 10  # and the pause before it is told
    assert grace["scheduler"] == 60 + 15


def test_a_pod_that_leaves_takes_calls_until_the_routes_to_it_are_gone() -> None:
    pause = container(objects(MANAGED), "ingest")["lifecycle"]["preStop"]["exec"]["command"]
    assert pause == ["sleep", "10"]


def test_the_defaults_are_two_processors_and_two_gigabytes_an_ocr_worker() -> None:
    made = objects(MANAGED)
    assert made["Deployment", "ocr"]["spec"]["replicas"] == 3
    assert container(made, "ocr")["resources"]["limits"] == {"cpu": "2", "memory": "2Gi"}
    assert container(made, "ingest")["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize("service", ["ocr", "validator", "thumbnailer"])
def test_the_children_of_a_worker_fit_its_limit(service: str) -> None:
    known = environment(container(objects(MANAGED), service))
    together = int(known["DOCMILL_SLOTS"]) * int(known["DOCMILL_CHILD_MEMORY_MB"])
    assert max(together, int(known["DOCMILL_CHILD_ALONE_MEMORY_MB"])) <= 2048 - 256


def test_a_changed_setting_makes_new_pods() -> None:
    def template(**settings: int) -> Any:
        return objects(MANAGED | {"settings": settings})["Deployment", "ocr"]["spec"]["template"]

    assert template() == template()
    assert template() != template(DOCMILL_RETRY_ATTEMPTS=9)


# ── the migration ────────────────────────────────────────────────────────────────────────────────
def test_the_migration_runs_before_the_new_code() -> None:
    job = objects(MANAGED)["Job", "migrate"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


def test_a_migration_that_fails_is_not_tried_for_long() -> None:
    assert objects(MANAGED)["Job", "migrate"]["spec"]["backoffLimit"] <= 1


def test_where_the_stores_come_with_the_release_the_migration_waits_for_them() -> None:
    first = objects(EVALUATION)["Job", "migrate"]
    assert "annotations" not in first["metadata"]
    assert first["spec"]["template"]["spec"]["restartPolicy"] == "OnFailure"
    later = objects(EVALUATION, NEWEST, "--is-upgrade")["Job", "migrate"]
    assert later["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"


# ── scaling ──────────────────────────────────────────────────────────────────────────────────────
def test_what_is_scaled_by_others_has_no_number_of_its_own() -> None:
    made = objects(EVERYTHING)
    scaled = {
        service for service in SERVICES if "replicas" not in made["Deployment", service]["spec"]
    }
    assert scaled == {"ingest", "ocr"}
    target = made["HorizontalPodAutoscaler", "ingest"]["spec"]["scaleTargetRef"]
    assert target["name"] == made["Deployment", "ingest"]["metadata"]["name"]
    scaled_object = made["ScaledObject", "ocr"]["spec"]
    assert scaled_object["scaleTargetRef"]["name"] == made["Deployment", "ocr"]["metadata"]["name"]
    assert scaled_object["maxReplicaCount"] == 50


def test_ocr_workers_are_scaled_by_what_waits_and_what_a_page_takes() -> None:
    query = objects(EVERYTHING)["ScaledObject", "ocr"]["spec"]["triggers"][0]["metadata"]["query"]
    catalogue = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    for metric in ("docmill_queue_tasks", "docmill_task_seconds"):
        assert metric in query
        assert f"`{metric}`" in catalogue
    assert query.endswith("/ 180")  # 3 slots for 60 s


# ── the way in ───────────────────────────────────────────────────────────────────────────────────
def test_the_way_in_is_https_and_says_so() -> None:
    made = objects(EVERYTHING)
    ingress = made["Ingress", ""]
    assert ingress["spec"]["tls"] == [
        {"hosts": ["docmill.example.com"], "secretName": "docmill-tls"}
    ]
    redirect = "nginx.ingress.kubernetes.io/force-ssl-redirect"
    assert ingress["metadata"]["annotations"][redirect] == "true"
    known = environment(container(made, "ingest"))
    assert known["DOCMILL_HSTS_SECONDS"] == "31536000"
    assert known["DOCMILL_TRUSTED_PROXIES"] == "1"


def test_nobody_is_believed_about_addresses_without_an_ingress() -> None:
    assert "DOCMILL_TRUSTED_PROXIES" not in environment(container(objects(MANAGED), "ingest"))


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"ocr": {"replicas": "many"}}, "ocr/replicas"),
        ({"ocr": {"replicas": 51}}, "maximum"),
        ({"ocr": {"replica": 3}}, "additional properties 'replica'"),
        ({"workers": 3}, "additional properties 'workers'"),
        ({"settings": {"DOCMILL_SLOT": 3}}, "'DOCMILL_SLOT'"),
        ({"ingest": {"settings": {"DOCMILL_SLOTS": 3}}}, "'DOCMILL_SLOTS'"),
        ({"settings": {"DOCMILL_HEALTH_PORT": 9000}}, "'DOCMILL_HEALTH_PORT'"),
        ({"settings": {"DOCMILL_DATABASE_URL": "x"}}, "'DOCMILL_DATABASE_URL'"),
        ({"image": {"tag": "latest"}}, "image/tag"),
        ({"evaluation": {"postgresql": {"image": "postgres"}}}, "evaluation/postgresql/image"),
        ({"s3": {"encryption": "sse"}}, "s3/encryption"),
        ({"s3": {"encryption": "AES256", "kmsKey": "a-key"}}, "s3/encryption"),
        ({"secret": {"existing": ""}}, "secret.databaseUrl is not set"),
        ({"s3": {"endpoint": ""}}, "s3.endpoint is not set"),
        ({"ingress": {"enabled": True}}, "ingress.host is not set"),
        ({"keda": {"enabled": True}, "ocr": {"autoscaling": {"enabled": True}}}, "exclude"),
        ({"evaluation": {"enabled": True}}, "exclude each other"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(HelmRefused, match=told):
        rendered(MANAGED | values)


def test_the_schema_knows_every_setting_of_every_service() -> None:
    for service, settings in SETTINGS.items():
        names = {f"DOCMILL_{name.upper()}" for name, field in settings.model_fields.items()
                 if field.repr and field.annotation is int}  # fmt: skip
        given = dict.fromkeys(names - {"DOCMILL_PORT", "DOCMILL_HEALTH_PORT"}, 7)
        made = objects(MANAGED | {service: {"settings": given}})
        assert given.keys() <= environment(container(made, service)).keys()


# ── what else uses the same files ────────────────────────────────────────────────────────────────
def test_rules_and_dashboards_are_the_ones_of_the_repository() -> None:
    made = objects(EVERYTHING)
    files = [*(ROOT / "deploy" / "prometheus" / "rules").iterdir()]
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    found = made["PrometheusRule", ""]["spec"]["groups"]
    assert sorted(found, key=str) == sorted(groups, key=str)
    assert groups
    for file in (ROOT / "deploy" / "grafana" / "dashboards").iterdir():
        board = made["ConfigMap", f"dashboard-{file.stem}"]["data"]
        assert board == {file.name: file.read_text()}


def test_prometheus_sees_each_service_as_a_job_of_its_own() -> None:
    """As rules and dashboards ask for them; tests/k8s sees it done."""
    (endpoint,) = objects(EVERYTHING)["ServiceMonitor", ""]["spec"]["endpoints"]
    assert endpoint["relabelings"] == [
        {
            "sourceLabels": ["__meta_kubernetes_pod_label_app_kubernetes_io_component"],
            "targetLabel": "job",
            "replacement": "docmill-$1",
        }
    ]


def test_examples_of_values_render() -> None:
    examples = sorted((CHART / "examples").glob("*.yaml"))
    assert examples
    for example in examples:
        rendered(yaml.safe_load(example.read_text()))


def test_the_notes_name_the_next_step() -> None:
    told = helm("install", "mill", str(CHART), "--dry-run=client", values=MANAGED)
    assert "helm test mill" in told
    assert "docmill-admin tenant create" in told
