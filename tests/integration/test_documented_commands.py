"""What the documentation says to type is what the programs and the schema know."""

import re
import shlex
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from deploy.scripts import settings
from docmill_ingest.admin.parser import parser
from tests.stack.documented import PAGES, blocks

ADMIN = re.compile(r"^\s*(docmill-admin .*?)(?:\s+#.*)?$", re.MULTILINE)
OF_THE_CLIENT = {"DOCMILL_URL", "DOCMILL_KEY"}
SETTING = re.compile(r"DOCMILL_[A-Z0-9_]*[A-Z0-9]\b(?![_…<])")


STATEMENTS = [
    (page, statement.strip())
    for page, text in blocks("sql")
    for statement in text.split(";")
    if statement.strip() and not statement.strip().startswith("--")
]
COMMANDS = [(page, line) for page, text in blocks("sh") for line in ADMIN.findall(text)]


@pytest.mark.parametrize(("page", "statement"), STATEMENTS)
def test_every_statement_runs_against_the_schema(
    database_url: str, page: str, statement: str
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(statement.encode())
        connection.rollback()


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_every_admin_command_is_understood(page: str, command: str) -> None:
    words = shlex.split(command.replace("DOCUMENT_ID", str(UUID(int=1))))
    parser().parse_args(words[1:])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_is_named_exists(page: Path) -> None:
    known = {
        f"DOCMILL_{name.upper()}"
        for service in settings.SERVICES.values()
        for name in service.model_fields
    }
    named = {name for name in SETTING.findall(page.read_text()) if "_TEST_" not in name}
    assert named - known - OF_THE_CLIENT == set()
