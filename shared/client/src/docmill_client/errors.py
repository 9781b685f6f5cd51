"""What may go wrong, by what to do next."""

from collections.abc import Mapping
from typing import Any


class DocmillError(Exception):
    """The base of every error of this package."""


class Unreachable(DocmillError):
    """The service did not answer, however often it was asked; the same call may succeed later."""


class Problem(DocmillError):
    """The service refused: `code` is stable, `remedy` says what to do."""

    def __init__(self, status: int, members: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(members.get("code", f"http_{status}"))
        self.title = str(members.get("title", ""))
        self.detail = str(members.get("detail", ""))
        self.remedy = str(members.get("remedy", ""))
        self.members = members
        super().__init__(self.detail or self.title or self.code)
