"""The samples of other projects, all on their way through one stack at once."""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.stack.flow import Caller

IN_FRENCH = "francais.pdf in French"
ERROR_RATE = "character_error_rate"  # property of a test; printed when all have run


@dataclass
class Sent:
    """Documents by the name of their file, and who sent them."""

    client: Caller
    documents: Mapping[str, str]

    def ended(self, name: str) -> dict[str, Any]:
        return self.client.ended([self.documents[name]], within=240)[0]

    def ready(self, name: str) -> str:
        """Wait until it is ready with every page; give its id."""
        document = self.ended(name)
        assert (document["state"], document["failure"]) == ("ready", None)
        assert document["pages"]["failed"] == 0
        return self.documents[name]

    def text(self, name: str) -> str:
        return " ".join(self.client.text(self.ready(name)).split())

    def page_texts(self, name: str) -> list[str]:
        document = self.ready(name)
        numbers = [page["number"] for page in self.client.items(document, "pages")]
        return [self.client.part(document, f"pages/{number}/text").text for number in numbers]


def listed(folder: Path) -> set[str]:
    """Give the names in the samples' own list."""
    return set(re.findall(r"^\| (\S+\.\w+) \|", (folder / "README.md").read_text(), re.MULTILINE))


def send(client: Caller, folder: Path) -> Sent:
    """Upload every sample, and the French one also as French."""

    def upload(name: str) -> str:
        return client.upload((folder / name).read_bytes(), name)

    names = sorted(listed(folder))
    with ThreadPoolExecutor(8) as pool:
        documents = dict(zip(names, pool.map(upload, names), strict=True))
    french = (folder / "francais.pdf").read_bytes()
    documents[IN_FRENCH] = client.upload(french, "francais.pdf", languages="fra")
    return Sent(client, documents)
