"""Settings: frozen classes read from a mapping; each field is one `DOCMILL_*` variable."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, ValidationError
from pydantic.functional_validators import AfterValidator, BeforeValidator

PREFIX = "DOCMILL_"


class BadSettings(Exception):
    """The environment does not make valid settings; the message names each variable."""


def _seconds(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        return value
    try:
        return timedelta(seconds=float(value))
    except OverflowError as error:
        raise ValueError("longer than there are days to count") from error


def _not_negative(duration: timedelta) -> timedelta:
    if duration < timedelta(0):
        raise ValueError("must not be negative")
    return duration


def _something(duration: timedelta) -> timedelta:
    if not duration:
        raise ValueError("must be more than 0")
    return duration


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


Seconds = Annotated[
    timedelta,
    BeforeValidator(_seconds),
    PlainSerializer(lambda value: value.total_seconds(), return_type=float),
    AfterValidator(_not_negative),
]
"""A duration: a timedelta inside, a number of seconds in the environment."""

SomeSeconds = Annotated[Seconds, AfterValidator(_something)]
"""A duration that must not be nothing: a limit, or the turn of a loop."""

Level = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)]


class Settings(BaseModel):
    """The base of every service's settings.

    A field `lease_seconds` is read from `DOCMILL_LEASE_SECONDS`. Secrets are declared with
    `repr=False`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_level: Level = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the fields from `env`; raise BadSettings with every fault at once."""
        given = {name: env[variable(name)] for name in cls.model_fields if variable(name) in env}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise BadSettings(_explained(error)) from None


def _explained(error: ValidationError) -> str:
    return "\n".join(
        f"{variable(str(fault['loc'][0]))}: {fault['msg']}" if fault["loc"] else fault["msg"]
        for fault in error.errors()
    )


def variable(field: str) -> str:
    """Return the variable that a field is read from."""
    return PREFIX + field.upper()


class DatabaseSettings(Settings):
    """How a service reaches PostgreSQL."""

    database_url: str = Field(
        repr=False,
        description="postgresql:// URL of the queue of record; holds a password. For TLS add "
        "`?sslmode=verify-full&sslrootcert=<PEM file>`.",
    )
    database_pool_size: int = Field(4, ge=1, description="Most connections this process opens.")
    database_connect_seconds: SomeSeconds = Field(
        timedelta(seconds=30), description="Patience of each of three tries to connect at start."
    )
    database_statement_timeout_seconds: SomeSeconds = Field(
        timedelta(seconds=10), description="After this a statement is cancelled."
    )
    database_silence_seconds: Seconds = Field(
        timedelta(seconds=20),
        description="A connection whose packets nobody acknowledges for so long is given up.",
    )


class Encryption(StrEnum):
    """How the store encrypts what it keeps."""

    SSE_S3 = "AES256"
    SSE_KMS = "aws:kms"


class StoreSettings(Settings):
    """How a service reaches the S3-compatible store."""

    s3_endpoint: str = Field(description="URL of the S3 endpoint.")
    s3_bucket: str = Field("docmill", description="The one bucket that holds every blob.")
    s3_region: str = Field("us-east-1", description="Region name the server expects.")
    s3_access_key: str = Field(repr=False, description="Access key id.")
    s3_secret_key: str = Field(repr=False, description="Secret access key.")
    s3_ca_file: str | None = Field(
        None, description="PEM file of who may sign an https endpoint's certificate."
    )
    s3_encryption: Encryption | None = Field(
        None,
        description="Asked for with each object that is written: AES256 (SSE-S3) or aws:kms "
        "(SSE-KMS). Unset: what the bucket does by default.",
    )
    s3_kms_key: str | None = Field(
        None, description="Id of the key for aws:kms. Unset: the bucket's own."
    )
    s3_connect_seconds: Seconds = Field(
        timedelta(seconds=3),
        description="Patience of each try to connect: three, of a small PUT four.",
    )
    s3_read_seconds: Seconds = Field(
        timedelta(seconds=20), description="The same for an answer, or its next bytes."
    )


class BrokerSettings(Settings):
    """How a service reaches RabbitMQ."""

    rabbitmq_url: str = Field(
        repr=False, description="amqp:// URL, or amqps:// for TLS; holds a password."
    )
    rabbitmq_ca_file: str | None = Field(
        None, description="PEM file of who may sign RabbitMQ's certificate."
    )
    rabbitmq_heartbeat_seconds: Seconds = Field(
        timedelta(seconds=30), description="A connection silent for so long is given up."
    )
    rabbitmq_blocked_seconds: Seconds = Field(
        timedelta(seconds=20), description="So is one that an alarm of RabbitMQ's blocks."
    )


class HealthSettings(Settings):
    """Where a service answers for itself."""

    health_host: str = Field("0.0.0.0", description="Address of /livez, /readyz and /metrics.")  # noqa: S104 - probes come from outside the container
    health_port: int = Field(8081, description="Port of /livez, /readyz and /metrics.")
