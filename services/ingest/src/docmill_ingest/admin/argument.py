"""What an argument of `docmill-admin` may be; anything else is told before a store is asked."""

import argparse
import math
from datetime import timedelta
from typing import Final

from docmill.domain.tenant import is_slug

LONGEST: Final = timedelta(days=36_500)  # what added to today is still a date
_INTEGER: Final = 2**31 - 1  # PostgreSQL's
_BIGINT: Final = 2**63 - 1


def slug(text: str) -> str:
    """A tenant's name."""
    if not is_slug(text):
        raise argparse.ArgumentTypeError("lower case letters, digits and inner hyphens, up to 63")
    return text


def count(text: str) -> int:
    """How many of something."""
    return _between(int(text), _INTEGER)


def size(text: str) -> int:
    """How many bytes, or which number of a row."""
    return _between(int(text), _BIGINT)


def rate(text: str) -> float:
    """How much of something, a share or so many a second."""
    if not (value := float(text)) > 0 or math.isinf(value):
        raise argparse.ArgumentTypeError("more than 0")
    return value


def seconds(text: str) -> timedelta:
    """A duration that takes time."""
    return _duration(rate(text), timedelta(seconds=1))


def hours(text: str) -> timedelta:
    """A duration that takes time."""
    return _duration(rate(text), timedelta(hours=1))


def days(text: str) -> timedelta:
    """A duration that takes time."""
    return _duration(rate(text), timedelta(days=1))


def hours_or_none(text: str) -> timedelta:
    """A duration that may be over at once."""
    return hours(text) if float(text) else timedelta(0)


def _between(value: int, most: int) -> int:
    if not 1 <= value <= most:
        raise argparse.ArgumentTypeError(f"from 1 to {most}")
    return value


def _duration(units: float, unit: timedelta) -> timedelta:
    if units > LONGEST / unit:
        raise argparse.ArgumentTypeError("at most 100 years")
    return units * unit
