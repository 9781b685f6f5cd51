"""What the tests take from Debian packages is in packages that the set-up installs."""

import re
import subprocess

import pytest

from deploy.local.run_tests import ROOT
from docmill.testing.specimen import FACES, TYPEFACES


@pytest.mark.parametrize("typeface", sorted(face for faces in TYPEFACES.values() for face in faces))
def test_a_typeface_comes_from_a_package_that_the_set_up_installs(typeface: str) -> None:
    told = subprocess.run(
        ["dpkg-query", "--search", str(FACES / typeface)],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    script = (ROOT / "deploy" / "local" / "setup.sh").read_text()
    listed = re.search(r"PACKAGES=\((.*?)\)", script, re.DOTALL)
    assert listed
    assert told.partition(":")[0] in listed[1].split()
