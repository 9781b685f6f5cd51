from datetime import timedelta
from typing import Any

import pytest

from deploy.scripts import metrics, settings
from docmill.ops.settings import BadSettings, Settings
from docmill.ops.startup import start


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


NONSENSE = [
    ("scheduler", "LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
    ("scheduler", "KEEP_LOGINS_SECONDS", "-1", "must not be negative"),
    ("scheduler", "SCHEDULER_TICK_SECONDS", "0", "must be more than 0"),
    ("ingest", "DRAIN_SECONDS", "inf", "longer than"),
    ("ingest", "DRAIN_SECONDS", "nan", "NaN"),
    ("ocr", "LEASE_SECONDS", "20", "must be more than DOCMILL_RENEW_SECONDS and"),
]


@pytest.mark.parametrize(("service", "name", "value", "message"), NONSENSE)
def test_nonsense_ends_the_start_with_its_variable_and_the_reason(
    service: str, name: str, value: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = settings.SERVICES[service]
    with pytest.raises(SystemExit) as ended:
        start(service, made, example(made) | {f"DOCMILL_{name}": value})
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert f"DOCMILL_{name}: " in told
    assert message in told


def test_a_log_level_may_be_written_small() -> None:
    made = settings.SERVICES["ocr"]
    assert made.from_env(example(made) | {"DOCMILL_LOG_LEVEL": "debug"}).log_level == "DEBUG"


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
