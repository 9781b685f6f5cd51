"""The validator's settings."""

from docmill.work.settings import ChildSettings


class ValidatorSettings(ChildSettings):
    """A worker with children, and nothing of its own."""
