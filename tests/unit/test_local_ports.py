"""Ports of the local stack: kept while they can be, never another's."""

import secrets
from pathlib import Path

import pytest

from deploy.local import ports as module
from deploy.local.ports import FAMOUS, NoFreePortError, Ports


def always(port: int) -> bool:
    return True


def test_a_name_keeps_its_port_in_the_next_process(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = Ports(file, is_free=always).usable("amqp")
    assert Ports(file, is_free=always)["amqp"] == first
    assert Ports(file, is_free=always).usable("amqp") == first


def test_commands_that_look_at_one_stack_agree(tmp_path: Path) -> None:
    early = Ports(tmp_path / "ports.json", is_free=always)
    late = Ports(tmp_path / "ports.json", is_free=always)
    assert late.usable("amqp") == early["amqp"]


def test_a_port_taken_by_a_stranger_is_chosen_again(tmp_path: Path) -> None:
    taken: set[int] = set()
    ports = Ports(tmp_path / "ports.json", is_free=lambda port: port not in taken)
    first = ports.usable("amqp")
    taken.add(first)
    assert ports.usable("amqp") != first


def test_no_two_names_share_a_port(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json", is_free=always)
    assert len({ports[str(number)] for number in range(200)}) == 200


def test_a_famous_port_is_never_chosen(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json", is_free=lambda port: port in FAMOUS)
    with pytest.raises(NoFreePortError):
        ports.usable("amqp")


def test_no_two_stacks_choose_the_same_port_before_either_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only = 10**6 + secrets.randbelow(10**9)  # a number that nobody else has reserved
    monkeypatch.setattr(module, "LOWEST", only)
    monkeypatch.setattr(module, "HIGHEST", only + 1)
    assert Ports(tmp_path / "one" / "ports.json", is_free=always).usable("amqp") == only
    with pytest.raises(NoFreePortError):
        Ports(tmp_path / "other" / "ports.json", is_free=always).usable("amqp")
