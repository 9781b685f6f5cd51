from datetime import timedelta
from typing import Any

import pytest

from deploy.scripts import metrics, settings
from docmill.ops.settings import BadSettings, Settings


def example(service: type[Settings]) -> dict[str, str]:
    """The example file as an environment, with something for what is required."""
    lines = (line.removeprefix("# ") for line in settings.example().splitlines())
    pairs = (line.split("=", 1) for line in lines if line.startswith("DOCMILL_"))
    values = {name: value or "x" for name, value in pairs if value or required(name)}
    return {name: value for name, value in values.items() if field(service, name) is not None}


def field(service: type[Settings], name: str) -> Any:
    return service.model_fields.get(name.removeprefix("DOCMILL_").lower())


def required(name: str) -> bool:
    found = [field(service, name) for service in settings.SERVICES.values()]
    return any(each is not None and each.is_required() for each in found)


@pytest.mark.parametrize("service", settings.SERVICES)
def test_the_example_file_is_a_valid_environment_of_every_service(service: str) -> None:
    made = settings.SERVICES[service]
    assert isinstance(made.from_env(example(made)), made)


@pytest.mark.parametrize("service", settings.SERVICES)
def test_every_setting_says_what_it_means_and_is_in_the_reference(service: str) -> None:
    page = settings.page()
    for name, each in settings.SERVICES[service].model_fields.items():
        assert each.description, name
        assert f"`DOCMILL_{name.upper()}`" in page


def test_a_missing_setting_is_named_with_its_variable() -> None:
    with pytest.raises(BadSettings, match="DOCMILL_DATABASE_URL: Field required"):
        settings.SERVICES["scheduler"].from_env({})


def test_secrets_are_in_no_representation() -> None:
    made = settings.SERVICES["scheduler"].from_env(
        example(settings.SERVICES["scheduler"]) | {"DOCMILL_S3_SECRET_KEY": "hunter2"}
    )
    assert "hunter2" not in repr(made)


def test_durations_are_seconds_outside() -> None:
    made = settings.SERVICES["scheduler"].from_env(
        example(settings.SERVICES["scheduler"]) | {"DOCMILL_KEEP_LOGINS_SECONDS": "60"}
    )
    assert made.model_dump()["keep_logins_seconds"] == 60
    assert getattr(made, "keep_logins_seconds") == timedelta(minutes=1)  # noqa: B009 - of no common class


def test_the_metrics_reference_names_counters_as_they_are_scraped() -> None:
    page = metrics.page()
    assert "`docmill_task_attempts_total`" in page
    assert "`docmill_queue_tasks`" in page
