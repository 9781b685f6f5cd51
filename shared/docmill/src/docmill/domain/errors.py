"""Every failure docmill knows, drawn by what to do next.

DocmillError
├── Transient              the same call or task may succeed later
│   └── DependencyDown     a store or broker is out; nobody's attempt is spent
│       └── DatabaseDown   PostgreSQL is out, or (DatabaseBusy) has no time for this one thing
├── Permanent              no retry can help; `code` and `remedy` reach the user
│   ├── Rejection          the file itself is the reason: the document is `rejected`
│   └── Refusal            the request is the reason: answered at once, nothing is kept
└── LostClaim              the task is no longer ours; stop without a trace
"""

from typing import ClassVar


class DocmillError(Exception):
    """The base of every error docmill raises on purpose."""


class Transient(DocmillError):
    """The same task may succeed later; the ledger schedules it again with back-off."""

    code: ClassVar[str] = "temporary"


class DependencyDown(Transient):
    """A dependency does not answer; waiting is the remedy and no attempt is spent."""

    code = "dependency_down"


class DatabaseDown(DependencyDown):
    """PostgreSQL does not answer."""

    code = "database_down"


class DatabaseBusy(DatabaseDown):
    """PostgreSQL answers, but a lock or a time limit kept it from doing this one thing.

    To be tried again like an outage; but what touches other rows may go on at once.
    """

    code = "database_busy"


class StoreDown(DependencyDown):
    """The S3 store does not answer."""

    code = "store_down"


class BrokerDown(DependencyDown):
    """RabbitMQ does not answer."""

    code = "broker_down"


class LostClaim(DocmillError):
    """The task was cancelled, reaped or taken over; whoever held it must stop and keep nothing."""


class Permanent(DocmillError):
    """No retry can help. `code` is stable and `remedy` tells the user what to do."""

    code: ClassVar[str] = "failed"
    remedy: ClassVar[str] = ""
    status: ClassVar[int] = 422
