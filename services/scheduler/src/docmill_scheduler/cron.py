"""Slots of a cron expression in UTC: 5 fields, or 6 with seconds in front."""

from datetime import UTC, datetime, timedelta

from cronsim import CronSim, CronSimError


class BadCron(ValueError):
    """The expression is none, or never comes true."""


def checked(expression: str) -> str:
    """Return the expression when it has slots; raise BadCron."""
    latest(expression, datetime.now(UTC))
    return expression


def effective(own: str, posted: str | None) -> str:
    """Return the expression that an operator posted, else the job's own."""
    try:
        return checked(posted) if posted else own
    except BadCron:  # an operator's slip must not stop the other jobs, nor this one
        return own


def latest(expression: str, at: datetime) -> datetime:
    """Return the newest slot that is not after `at`."""
    # the search begins strictly before its start, so that a slot at this very second needs a step
    return _first(expression, at.replace(microsecond=0) + timedelta(seconds=1), reverse=True)


def following(expression: str, at: datetime) -> datetime:
    """Return the first slot after `at`."""
    return _first(expression, at, reverse=False)


def interval(expression: str, at: datetime) -> timedelta:
    """Return the time between the slots around `at`."""
    return following(expression, at) - latest(expression, at)


def _first(expression: str, start: datetime, *, reverse: bool) -> datetime:
    try:
        found: datetime = next(CronSim(expression, start.astimezone(UTC), reverse=reverse))
    except (CronSimError, StopIteration) as error:
        raise BadCron(f"{expression!r} is no cron expression of 5 or 6 fields") from error
    return found
