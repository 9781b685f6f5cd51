"""What the documentation says to type."""

import re
from collections.abc import Iterator
from typing import Final

from deploy.local.run_tests import ROOT

PAGES: Final = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_BLOCK: Final = re.compile(r"^( *)```(\w+)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_COMMENT: Final = re.compile(r"(?:^|\s+)#\s.*$")


def blocks(kind: str) -> Iterator[tuple[str, str]]:
    """Give each block of a language with the page it stands on."""
    for page in PAGES:
        for _, language, text in _BLOCK.findall(page.read_text()):
            if language == kind:
                yield str(page.relative_to(ROOT)), text


def commands(program: str) -> list[str]:
    """Give each command that begins so, once, without its comment, in the pages' order."""
    found = dict.fromkeys(
        _COMMENT.sub("", line).strip()
        for _, text in blocks("sh")
        for line in text.replace("\\\n", " ").splitlines()
    )
    return [line for line in found if line.startswith(program)]
