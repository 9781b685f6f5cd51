"""The coverage gate judges each group by itself."""

import json
from pathlib import Path

import pytest

from deploy.scripts import branches

FILES = {
    "shared/docmill/src/docmill/domain/task.py": (99, 100),
    "shared/docmill/src/docmill/work/host.py": (90, 100),
    "services/ocr/src/docmill_ocr/stages.py": (50, 50),
    "services/ingest/src/docmill_ingest/app.py": (40, 50),
}


def judged(
    files: dict[str, tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> int:
    report = tmp_path / "report.json"
    summaries = {
        path: {"summary": {"covered_branches": taken, "num_branches": there}}
        for path, (taken, there) in files.items()
    }
    report.write_text(json.dumps({"files": summaries}))
    monkeypatch.setattr("sys.argv", ["branches", str(report)])
    return branches.main()


def test_every_group_with_enough_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert judged(FILES, tmp_path, monkeypatch) == 0
    assert "services: 90.0 %" in capsys.readouterr().out


@pytest.mark.parametrize("file", FILES)
def test_one_group_with_too_little_is_not_made_up_for_by_others(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, there = FILES[file]
    assert judged(FILES | {file: (there // 2, there)}, tmp_path, monkeypatch) == 1


def test_a_group_that_was_not_measured_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = {path: each for path, each in FILES.items() if "domain" not in path}
    assert judged(measured, tmp_path, monkeypatch) == 1
