"""An image as it is run, without a node."""

import json

from tests.k8s import node
from tests.k8s.conftest import Tell

CONFINED = (
    *("--read-only", "--tmpfs", "/tmp"),
    *("--cap-drop", "all", "--security-opt", "no-new-privileges", "--network", "none"),
)
PAGE = node.ROOT / "k8s" / "docmill" / "files" / "page.png"


def test_the_ocr_image_reads_a_page_without_rights_or_network(images: None, tell: Tell) -> None:
    told = node.run(
        *("podman", "run", "--rm", *CONFINED, "--entrypoint", "python"),
        *("--volume", f"{node.HERE / 'confined'}:/confined:ro", "--volume", f"{PAGE}:/page.png:ro"),
        *("localhost/docmill-ocr:test", "/confined/read_page.py", "/page.png"),
    )
    said = json.loads(told.splitlines()[-1])
    assert "Three bridges cross the river" in said["text"]
    assert said["missing"] == []
    tell("its text came back, no protection of the child was missing")
