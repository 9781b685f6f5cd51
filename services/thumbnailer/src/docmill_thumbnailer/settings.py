"""The thumbnailer's settings."""

from docmill.work.settings import ChildSettings


class ThumbnailerSettings(ChildSettings):
    """A worker with children, and nothing of its own."""
