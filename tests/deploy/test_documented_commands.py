"""The commands of the documentation, as far as they need no cluster: run, or understood."""

import json
import re
import shlex
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.local.run_tests import ROOT
from deploy.release import deploy, rollback
from tests.stack.chart import MANAGED, containers, environment, helm, objects
from tests.stack.documented import commands

CHECKS = [
    *commands("promtool"),
    *commands("(cd deploy/prometheus"),
    *commands("amtool check-config"),
    *commands("amtool config"),
]
PROGRAMS = Path(sys.executable).parent
SCRIPTS = {"deploy/scripts/deploy": deploy.parser, "deploy/scripts/rollback": rollback.parser}


@pytest.mark.parametrize("command", CHECKS)
def test_a_check_of_the_configuration_passes(command: str) -> None:
    done = subprocess.run(
        ["bash", "-euc", command], cwd=ROOT, capture_output=True, check=False, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", commands("helm"))
def test_helm_knows_what_it_is_told(command: str) -> None:
    _, verb, *words = shlex.split(command.partition("|")[0])
    known = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", helm(verb, "--help")))
    assert {word.partition("=")[0] for word in words if word.startswith("-")} - known == set()


@pytest.mark.parametrize(("script", "parser"), SCRIPTS.items())
def test_a_script_knows_what_it_is_told(script: str, parser: Callable[[], ArgumentParser]) -> None:
    told = commands(script)
    assert told
    for command in told:
        parser().parse_args(shlex.split(command)[1:])


@pytest.mark.parametrize("command", commands("kubectl -n docmill create secret"))
def test_a_secret_made_by_hand_has_the_keys_that_pods_ask_for(command: str) -> None:
    """Read the command as kubectl does, which asks no cluster for a dry run of the client."""
    words = [*shlex.split(command)[1:], "--dry-run=client", "--output", "json"]
    done = subprocess.run([PROGRAMS / "kubectl", *words], capture_output=True, check=True)
    secret = json.loads(done.stdout)
    values = MANAGED | {"secret": {"existing": "docmill-stores", "scheduler": "docmill-deletes"}}
    asked = {
        value.partition(":")[2]
        for each in containers(objects(values)).values()
        for value in environment(each).values()
        if value.startswith(f"{secret['metadata']['name']}:")
    }
    assert asked == set(secret["data"])
