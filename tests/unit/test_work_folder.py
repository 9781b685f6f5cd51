"""What a child left behind is removed, and nothing else."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from docmill.work import folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory that is not the child's, with a file in it."""
    made = tmp_path / "outside"
    made.mkdir(mode=0o500)
    return made


def test_a_link_is_removed_and_what_it_points_to_stays(tmp_path: Path, outside: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(outside)
    folder.remove(link)
    assert outside.is_dir()
    assert not link.is_symlink()


def test_removing_twice_is_safe(tmp_path: Path) -> None:
    file, tree = tmp_path / "file", tmp_path / "tree"
    file.touch()
    (tree / "inner").mkdir(parents=True)
    for _ in range(2):
        folder.remove(file)
        folder.remove(tree)
    assert not list(tmp_path.iterdir())


def test_a_job_that_a_child_closed_is_opened_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    seen: list[int] = []
    monkeypatch.setattr("shutil.rmtree", lambda path, **_: seen.append(mode(path)))
    (tmp_path / "job").mkdir(mode=0)
    folder.remove(tmp_path / "job")
    assert seen == [0o700]


def test_what_a_child_wrote_where_we_may_not_look_is_not_taken_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = os.scandir

    def scandir(path: str) -> Iterator[os.DirEntry[str]]:  # as for who is not root
        if not mode(Path(path)):
            raise PermissionError(path)
        return scan(path)

    made = folder.ChildFolder(tmp_path / "child", folder.Access(None))
    (made.fresh_scratch() / "closed").mkdir(mode=0)
    monkeypatch.setattr("os.scandir", scandir)
    with pytest.raises(PermissionError):
        made.scratch_bytes()


def test_what_a_child_lists_for_us_but_does_not_show_is_not_taken_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lstat(path: Path) -> os.stat_result:  # of a directory with mode 0400
        raise PermissionError(path)

    made = folder.ChildFolder(tmp_path / "child", folder.Access(None))
    (made.fresh_scratch() / "file").touch()
    monkeypatch.setattr(Path, "lstat", lstat)
    with pytest.raises(PermissionError):
        made.scratch_bytes()


def test_what_a_child_wrote_too_deep_to_be_named_is_not_taken_for_nothing(tmp_path: Path) -> None:
    made = folder.ChildFolder(tmp_path / "child", folder.Access(None))
    inside = os.open(made.fresh_scratch(), os.O_RDONLY)
    for _ in range(20):  # of 250 characters: a path has 4,096
        os.mkdir("d" * 250, dir_fd=inside)
        deeper = os.open("d" * 250, os.O_RDONLY, dir_fd=inside)
        os.close(inside)
        inside = deeper
    os.close(inside)
    with pytest.raises(OSError, match="too long"):
        made.scratch_bytes()


def test_what_a_child_closed_is_opened_first_but_never_through_a_link(
    tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)  # the child's own user: no longer root
    seen: list[int] = []
    monkeypatch.setattr("shutil.rmtree", lambda path, **_: seen.append(mode(path / "closed")))
    tree = tmp_path / "tree"
    (tree / "closed").mkdir(parents=True)
    (tree / "file").touch(mode=0o400)
    (tree / "link").symlink_to(outside)
    (tree / "closed").chmod(0)
    folder.remove(tree)
    assert seen == [0o700]
    assert (mode(tree / "file"), mode(outside)) == (0o400, 0o500)
