"""What must stand in no log: secrets, and what documents say."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from deploy.local.service import NAMES
from deploy.local.stack import Stack
from docmill.testing.documents import page_text

KEYS: Final = (
    re.compile(r"dm_[0-9a-zA-Z]+_[0-9a-zA-Z_-]{16,}"),  # an API key with its secret
    re.compile(r"whsec_[0-9a-zA-Z+/=]{8,}"),
    re.compile(r"://[^/\s:@]+:[^@\s*]+@"),  # a password in a URL
    re.compile(r"X-Amz-Signature=[0-9a-f]{8}"),
    re.compile(r"(?i)bearer [0-9a-z]"),
)
_WORDS: Final = 3  # in a row; a word alone may be anybody's


def leaks(stack: Stack) -> list[str]:
    """Return every line of the services' logs that tells what it must not."""
    secrets = [file.read_text() for file in (stack.root / "run" / "secrets").iterdir()]
    said = set(_phrases(page_text(1) + page_text(2)))
    return [
        f"{name}: {line}"
        for name in NAMES
        for line in _lines(stack.services[name].log_file)
        if _tells(line, secrets, said)
    ]


def _lines(log: Path) -> Iterator[str]:
    with log.open() as file:
        yield from file


def _tells(line: str, secrets: Iterable[str], said: set[str]) -> bool:
    if any(secret in line for secret in secrets) or any(key.search(line) for key in KEYS):
        return True
    return not said.isdisjoint(_phrases([line]))


def _phrases(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        words = re.findall(r"\w+", text.lower())
        for at in range(len(words) - _WORDS + 1):
            phrase = " ".join(words[at : at + _WORDS])
            if len(phrase) > 4 * _WORDS:
                yield phrase
