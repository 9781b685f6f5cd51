"""The dispatcher's settings."""

from datetime import timedelta

from pydantic import Field

from docmill.ops.settings import BrokerSettings, DatabaseSettings, HealthSettings, SomeSeconds


class DispatcherSettings(DatabaseSettings, BrokerSettings, HealthSettings):
    """What the dispatcher reads from its environment."""

    tick_seconds: SomeSeconds = Field(
        timedelta(milliseconds=100), description="Longest wait between two looks for work."
    )
    rehint_seconds: SomeSeconds = Field(
        timedelta(seconds=15),
        description="First wait before a queued task is hinted again; doubles up to 5 min.",
    )
    sweep_seconds: SomeSeconds = Field(
        timedelta(seconds=5), description="How often missed marks and mean task times are renewed."
    )
    lease_seconds: SomeSeconds = Field(
        timedelta(seconds=45),
        description="A worker's lease; after an outage the reaper grants one in full.",
    )
