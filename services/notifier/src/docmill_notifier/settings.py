"""The notifier's own settings."""

from datetime import timedelta

from pydantic import Field

from docmill.ops.settings import Settings, SomeSeconds
from docmill.work.settings import WorkerSettings


class WebhookSettings(Settings):
    """How webhooks are sent, and where to."""

    webhook_connect_timeout_seconds: SomeSeconds = Field(
        timedelta(seconds=5), description="Longest wait for an endpoint to accept a connection."
    )
    webhook_timeout_seconds: SomeSeconds = Field(
        timedelta(seconds=15), description="Longest time of one webhook request as a whole."
    )
    webhook_allow_http: bool = Field(
        default=False,
        description="Deliver to http:// endpoints too; for tests and closed networks.",
    )
    webhook_allow_private: bool = Field(
        default=False,
        description="Deliver to private and loopback addresses too; for tests and closed networks.",
    )


class NotifierSettings(WebhookSettings, WorkerSettings):
    """All settings of the notifier."""

    slots: int = Field(8, ge=1, description="Webhook requests at a time.")
