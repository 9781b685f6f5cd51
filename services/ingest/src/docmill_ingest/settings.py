"""The settings of the REST service."""

from datetime import timedelta

from pydantic import Field

from docmill.ops.settings import (
    DatabaseSettings,
    HealthSettings,
    Seconds,
    SomeSeconds,
    StoreSettings,
)


class IngestSettings(DatabaseSettings, StoreSettings, HealthSettings):
    """Everything `docmill-ingest` reads from its environment."""

    host: str = Field("0.0.0.0", description="Address of the API.")  # noqa: S104 - callers come from outside the container
    port: int = Field(8080, description="Port of the API.")
    threads: int = Field(
        64, ge=2, description="Requests served at once; at most half of them wait."
    )
    database_pool_size: int = Field(16, ge=1, description="Most connections this process opens.")
    drain_seconds: Seconds = Field(
        timedelta(seconds=30), description="How long requests may finish after SIGTERM."
    )
    client_timeout_seconds: SomeSeconds = Field(
        timedelta(seconds=60), description="How long a caller may send or take nothing."
    )
    upload_patience_seconds: SomeSeconds = Field(
        timedelta(hours=1), description="After this an unfinished upload is swept away."
    )
    stream_limit_seconds: SomeSeconds = Field(
        timedelta(minutes=5), description="An event stream ends after this; callers come back."
    )
    trusted_proxies: int = Field(
        0, ge=0, description="Proxies before it whose X-Forwarded-For and -Proto are believed."
    )
    hsts_seconds: Seconds = Field(
        timedelta(0), description="For how long browsers are told to use HTTPS only; 0: not."
    )
    languages_default: str = Field(
        "eng", description="Languages taken as installed while no OCR worker is known, by commas."
    )
