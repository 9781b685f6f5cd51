"""How what the chart makes finds the stores, and which keys and authorities it is given."""

import pytest

from tests.stack.chart import (
    EVERYTHING,
    MANAGED,
    SERVICES,
    container,
    containers,
    environment,
    objects,
)


def test_given_addresses_become_a_secret() -> None:
    given = {
        "databaseUrl": "postgresql://u:p@db/docmill",
        "rabbitmqUrl": "amqps://u:p@mq/docmill",
        "s3AccessKey": "key",
        "s3SecretKey": "word",
    }
    made = objects({"secret": given, "s3": {"endpoint": "https://s3.example.com"}})
    assert set(made["Secret", ""]["stringData"].values()) == set(given.values())
    # the migration runs before the release's own Secret is there
    assert made["Secret", "migrate"]["metadata"]["annotations"]["helm.sh/hook-weight"] == "-1"


def test_the_evaluations_stores_share_a_password_with_the_services() -> None:
    made = objects({"evaluation": {"enabled": True}})
    password = made["Secret", "stores"]["stringData"]["password"]
    assert len(password) == 24
    assert f":{password}@" in made["Secret", ""]["stringData"]["DOCMILL_DATABASE_URL"]
    assert made["Secret", ""]["stringData"]["DOCMILL_S3_SECRET_KEY"] == password


def test_every_pod_has_the_ca_of_the_stores() -> None:
    for name, each in containers(objects(EVERYTHING)).items():
        if "docmill-client" in each["image"]:
            continue  # calls ingest inside the release
        assert environment(each)["PGSSLROOTCERT"] == "/etc/docmill/ca.crt", name
        assert {"name": "certificates", "mountPath": "/etc/docmill", "readOnly": True} in each[
            "volumeMounts"
        ], name


@pytest.mark.parametrize(
    ("service", "trusting"),
    {
        "ingest": {"PGSSLROOTCERT", "DOCMILL_S3_CA_FILE"},
        # nothing else believes it: webhooks go to hosts of the world
        "notifier": {"PGSSLROOTCERT", "DOCMILL_RABBITMQ_CA_FILE"},
        "ocr": {"PGSSLROOTCERT", "DOCMILL_RABBITMQ_CA_FILE", "DOCMILL_S3_CA_FILE"},
    }.items(),
)
def test_the_ca_is_believed_about_a_services_own_stores_only(
    service: str, trusting: set[str]
) -> None:
    known = environment(container(objects(EVERYTHING), service))
    assert {name for name, value in known.items() if value == "/etc/docmill/ca.crt"} == trusting


def test_encryption_is_asked_for_when_it_is_wanted() -> None:
    def told(**s3: str) -> set[str]:
        wanted = MANAGED | {"s3": MANAGED["s3"] | s3}
        data: dict[str, str] = objects(wanted)["ConfigMap", ""]["data"]
        return {f"{name}={value}" for name, value in data.items() if value in s3.values()}

    names = ("DOCMILL_S3_ENCRYPTION", "DOCMILL_S3_KMS_KEY")
    assert not objects(MANAGED)["ConfigMap", ""]["data"].keys() & {*names}
    assert told(encryption="aws:kms", kmsKey="a-key") == {
        "DOCMILL_S3_ENCRYPTION=aws:kms",
        "DOCMILL_S3_KMS_KEY=a-key",
    }


def test_the_scheduler_alone_may_have_the_key_that_deletes() -> None:
    made = objects(MANAGED | {"secret": MANAGED["secret"] | {"scheduler": "docmill-deletes"}})
    holders = {
        service
        for service in SERVICES
        if "docmill-deletes:DOCMILL_S3_SECRET_KEY" in environment(container(made, service)).values()
    }
    assert holders == {"scheduler"}
    database = environment(container(made, "scheduler"))["DOCMILL_DATABASE_URL"]
    assert database == "docmill-stores:DOCMILL_DATABASE_URL"
