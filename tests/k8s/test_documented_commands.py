"""The kubectl commands of the documentation, on the node; those that change nothing."""

import re

import pytest

from tests.k8s import node
from tests.stack.documented import commands

READING = re.compile(r"kubectl (?:-n|--namespace) docmill (?:describe|exec|get|logs) ")
# No container has restarted; nobody will be back from a finished migration.
ELSEWHERE = ("--previous", "migrate --finish")


@pytest.mark.parametrize(
    "command",
    [
        each
        for each in commands("kubectl")
        if READING.match(each) and not any(other in each for other in ELSEWHERE)
    ],
)
def test_a_command_of_the_documentation_runs(release: str, command: str) -> None:
    pod = node.listed("pods", component="ocr")[0]["metadata"]["name"]
    # What is looked for need not be there.
    asks = command.partition(" | ")[0].replace("POD", pod)
    node.run("bash", "-euc", asks)
