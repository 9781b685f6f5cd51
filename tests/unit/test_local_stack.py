from pathlib import Path

import pytest

from deploy.local.server import NotReadyError
from deploy.local.stack import keep_secret


def test_a_secret_that_could_not_be_made_is_made_the_next_time(tmp_path: Path) -> None:
    path = tmp_path / "key"

    def fail() -> str:
        raise NotReadyError

    with pytest.raises(NotReadyError):
        keep_secret(path, fail)
    keep_secret(path, lambda: "first")
    keep_secret(path, lambda: "second")
    assert path.read_text() == "first"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]
