import io
from contextlib import closing
from uuid import uuid4

import pytest

from docmill.adapters.s3 import connect
from docmill.domain.task import Failure, Outcome, Pool
from docmill.domain.tenant import split_key
from docmill.ops.settings import DatabaseSettings, StoreSettings
from docmill_ingest.admin import bucket
from docmill_ingest.admin.command import Refused, run
from docmill_ingest.admin.parser import parser
from tests.stack.api import PDF, Caller, api
from tests.stack.ledger import TENANT, Desk, desk, product


def admin(url: str, *arguments: str) -> list[str]:
    out = io.StringIO()
    run(parser().parse_args(arguments), DatabaseSettings(database_url=url), out)
    return out.getvalue().splitlines()


def test_a_new_database_is_migrated_once(empty_database_url: str) -> None:
    assert admin(empty_database_url, "migrate")[0].startswith("0001")
    assert admin(empty_database_url, "migrate") == ["nothing to do"]


def test_a_bucket_is_made_once(blob_settings: StoreSettings) -> None:
    new = blob_settings.model_copy(update={"s3_bucket": f"test-{uuid4().hex}"})
    told = [made(new), made(new), made(blob_settings)]
    with closing(connect(new)) as client:
        client.delete_bucket(Bucket=new.s3_bucket)
    assert told == ["created", "exists already", "exists already"]


def made(settings: StoreSettings) -> str:
    out = io.StringIO()
    bucket.create(settings, out)
    return out.getvalue().strip().partition("\t")[2]


def test_a_made_key_opens_the_service(database_url: str, blob_settings: StoreSettings) -> None:
    admin(database_url, "tenant", "create", "acme", "--plan", "demo")
    key = admin(database_url, "key", "create", "acme")[-1]
    with api(database_url, blob_settings) as service:
        caller = Caller(service.service.app.test_client(), {"Authorization": f"Bearer {key}"})
        assert caller.upload(PDF).status_code == 202
        assert caller.get("/v1/usage").get_json()["limits"] == {
            "max_file_bytes": 10 * 2**20,
            "max_pages": 100,
            "max_storage_bytes": 50 * 2**20,
            "retention_seconds": 86400,
            "max_retention_seconds": 86400,
        }


def test_creating_a_tenant_again_changes_nothing(database_url: str) -> None:
    admin(database_url, "tenant", "create", "acme", "--max-pages", "7")
    assert admin(database_url, "tenant", "create", "acme") == ["acme\texists already"]
    assert "7 pages" in admin(database_url, "tenant", "list")[0]


def test_limits_are_set_one_by_one(database_url: str) -> None:
    admin(database_url, "tenant", "create", "acme", "--max-pages", "7")
    admin(database_url, "tenant", "set", "acme", "--retention-hours", "48")
    (line,) = admin(database_url, "tenant", "list")
    assert "7 pages" in line
    assert "2 days" in line
    admin(database_url, "tenant", "set", "acme", "--state", "suspended", "--plan", "standard")
    (line,) = admin(database_url, "tenant", "list")
    assert "suspended" in line
    assert "1000 pages" in line
    assert "any starts a second" in line
    admin(database_url, "tenant", "set", "acme", "--starts-per-second", "2.5")
    assert "2.5 starts a second" in admin(database_url, "tenant", "list")[0]


def test_a_stage_is_limited_and_freed(database_url: str) -> None:
    admin(database_url, "stage", "limit", "recognise", "20")
    assert admin(database_url, "stage", "list") == ["recognise\t20 starts a second"]
    admin(database_url, "stage", "limit", "recognise")
    assert admin(database_url, "stage", "list") == []


def test_a_stages_tasks_are_limited_for_all_or_for_one_tenant(database_url: str) -> None:
    admin(database_url, "tenant", "create", "acme")
    limit = ("stage", "task-limit", "recognise")
    admin(database_url, *limit, "--attempts", "3", "--deadline-seconds", "120")
    admin(database_url, *limit, "--tenant", "acme", "--deadline-seconds", "20")
    assert admin(database_url, "stage", "list") == [
        "recognise\tevery tenant\t3 attempts\t120 s",
        "recognise\tacme\t20 s",
    ]
    admin(database_url, *limit, "--tenant", "acme")
    assert admin(database_url, *limit) == ["recognise\tevery tenant\tno limit"]
    assert admin(database_url, "stage", "list") == []


@pytest.mark.parametrize(
    "arguments",
    [
        "stage task-limit recognise --attempts 0",
        "stage task-limit recognise --deadline-seconds -1",
        "stage limit recognise 0",
        "task replay --all --per-second 0",
        "task list --limit 0",
        "task list --within-hours -1",
        "task show 99999999999999999999",
        "tenant set acme --weight 0",
        "tenant set acme --weight nan",
        "tenant set acme --max-running 0",
        "tenant set acme --max-file-bytes -1",
        "tenant set acme --max-pages 9999999999",
        "tenant set acme --starts-per-second inf",
        "tenant set acme --retention-hours 0",
        "tenant set acme --retention-hours 1e300",
        "key create acme --expires-days 1e9",
        "key rotate 0 --grace-hours -1",
    ],
)
def test_what_cannot_be_meant_is_told_with_its_argument(
    arguments: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(arguments.split())
    assert ended.value.code == 2
    assert "error: argument" in capsys.readouterr().err


def test_content_is_not_kept_longer_than_at_most(database_url: str) -> None:
    admin(database_url, "tenant", "create", "acme", "--plan", "standard")
    with pytest.raises(Refused, match="shorter than the retention, 30 days"):
        admin(database_url, "tenant", "set", "acme", "--max-retention-hours", "24")


def test_keys_are_listed_rotated_and_revoked(database_url: str) -> None:
    admin(database_url, "tenant", "create", "acme")
    first = identity(admin(database_url, "key", "create", "acme", "--expires-days", "1")[-1])
    second = identity(admin(database_url, "key", "rotate", first, "--grace-hours", "0")[-1])
    assert admin(database_url, "key", "revoke", second) == [f"{second}\trevoked"]
    listed = [line.split("\t") for line in admin(database_url, "key", "list")]
    standing = {columns[0]: columns[3] for columns in listed}
    assert standing == {first: "expired", second: "revoked"}


def test_an_endpoint_gets_a_secret(database_url: str) -> None:
    admin(database_url, "tenant", "create", "acme")
    made = admin(database_url, "endpoint", "create", "acme", "https://example.com/hook")
    assert made[-1].startswith("whsec_")


@pytest.mark.parametrize(
    "arguments",
    [
        ("key", "create", "nobody"),
        ("key", "revoke", "nothing"),
        ("key", "rotate", "nothing"),
        ("tenant", "set", "nobody"),
        ("endpoint", "create", "nobody", "https://example.com"),
        ("endpoint", "create", "nobody", "ftp://example.com"),
        ("stage", "task-limit", "recognise", "--tenant", "nobody", "--attempts", "1"),
        ("stage", "task-limit", "notify", "--deadline-seconds", "1"),
    ],
)
def test_what_does_not_exist_is_refused(database_url: str, arguments: tuple[str, ...]) -> None:
    with pytest.raises(Refused):
        admin(database_url, *arguments)


@pytest.mark.parametrize("name", ["Acme", "a_b", "-a", "a-", "a" * 64, "../a", ""])
def test_a_tenants_name_is_a_slug(name: str) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["tenant", "create", "--", name])


def identity(key: str) -> str:
    parts = split_key(key)
    assert parts
    return parts[0]


def test_dead_letters_are_shown_replayed_and_put_away(database_url: str) -> None:
    with desk(database_url) as ledger:
        dead = [_dead(ledger) for _ in range(3)]
    assert len(admin(database_url, "task", "list", "--code", "page_unreadable")) == 3
    assert any("by hand" in line for line in admin(database_url, "task", "show", str(dead[0])))
    assert admin(database_url, "task", "replay", str(dead[0])) == ["replayed"]
    assert admin(database_url, "task", "discard", str(dead[1]), "--reason", "known") == [
        "1 discarded"
    ]
    assert admin(database_url, "task", "replay", "--all", "--stage", "recognise") == [
        "1\treplayed",
    ]
    assert admin(database_url, "task", "list") == []
    assert len(admin(database_url, "task", "list", "--replayed")) == 2
    assert admin(database_url, "task", "list", "--discarded", "--before-hours", "1") == []
    assert len(admin(database_url, "task", "list", "--discarded", "--within-hours", "1")) == 1


def _dead(ledger: Desk) -> int:
    """Leave a cancelled document with a dead page behind; return that task."""
    document = ledger.accept().document
    for claim in ledger.claims(Pool.VALIDATOR):
        ledger.ledger.commit(claim, product(claim, pages=2))
    page = next(each for each in ledger.claims(Pool.OCR) if each.page == 1)
    why = Failure(outcome=Outcome.PERMANENT, code="page_unreadable", detail="by hand")
    ledger.ledger.fail(page, why)
    ledger.lifecycle.cancel(TENANT, document, by="test")
    return page.task
