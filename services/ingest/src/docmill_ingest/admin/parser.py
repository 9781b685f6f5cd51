"""The arguments of `docmill-admin`."""

import argparse
from datetime import timedelta
from typing import TypeAlias
from uuid import UUID

from docmill.domain.task import Stage
from docmill.domain.tenant import PLANS, Scope, TenantState
from docmill_ingest.admin import argument

Groups: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse gives its type no public name


def parser() -> argparse.ArgumentParser:
    """Make the parser; `do` of its result names the command."""
    made = argparse.ArgumentParser(
        prog="docmill-admin",
        description="Migrations, tenants and keys. DOCMILL_DATABASE_URL tells the database.",
    )
    groups = made.add_subparsers(required=True, metavar="COMMAND")
    _migrate(groups)
    _bucket(groups)
    _tenant(groups)
    _key(groups)
    _endpoint(groups)
    _stage(groups)
    _task(groups)
    _document(groups)
    return made


def _migrate(groups: Groups) -> None:
    command = _command(groups, "migrate", "bring the schema up to this release")
    command.add_argument(
        "--finish", action="store_true", help="also what must wait until the old code is gone"
    )


def _bucket(groups: Groups) -> None:
    inner = groups.add_parser("bucket", help="where blobs are kept").add_subparsers(
        required=True, metavar="COMMAND"
    )
    _command(inner, "create", "make the bucket of DOCMILL_S3_BUCKET unless it is there", "bucket")


def _tenant(groups: Groups) -> None:
    inner = groups.add_parser("tenant", help="who owns documents").add_subparsers(
        required=True, metavar="COMMAND"
    )
    create = _command(inner, "create", "add a tenant; one that exists is left as it is", "tenant")
    create.add_argument("tenant", type=argument.slug)
    create.add_argument("--plan", choices=sorted(PLANS), default="demo")
    _limits(create)
    change = _command(inner, "set", "change a tenant's limits", "tenant")
    change.add_argument("tenant", type=argument.slug)
    change.add_argument("--plan", choices=sorted(PLANS), help="take all limits of this plan first")
    change.add_argument("--state", choices=[state.value for state in TenantState])
    _limits(change)
    _command(inner, "list", "show every tenant", "tenant")
    cancel = _command(inner, "cancel", "cancel every live document of a tenant", "tenant")
    cancel.add_argument("tenant", type=argument.slug)


def _limits(command: argparse.ArgumentParser) -> None:
    command.add_argument("--name", help="for people; the slug without it")
    command.add_argument("--weight", type=argument.rate, help="share among tenants (1 by default)")
    command.add_argument("--max-running", type=argument.count, help="most tasks at once in a pool")
    command.add_argument("--max-pages", type=argument.count)
    for name in ("max-file-bytes", "max-storage-bytes"):
        command.add_argument(f"--{name}", type=argument.size)
    command.add_argument(
        "--starts-per-second", type=argument.rate, help="most tasks that may begin"
    )
    for name in ("retention", "max-retention"):
        command.add_argument(f"--{name}-hours", type=argument.hours, dest=name.replace("-", "_"))
    command.add_argument(
        "--partial-results",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether a document may be ready though pages failed",
    )


def _key(groups: Groups) -> None:
    inner = groups.add_parser("key", help="API keys").add_subparsers(
        required=True, metavar="COMMAND"
    )
    create = _command(inner, "create", "make a key; it is shown this once, on the last line", "key")
    create.add_argument("tenant", type=argument.slug)
    create.add_argument("--scope", choices=[scope.value for scope in Scope], default="documents")
    create.add_argument("--name", default="", help="for people")
    create.add_argument("--expires-days", type=argument.days, dest="expires")
    listing = _command(inner, "list", "show keys, never their secrets", "key")
    listing.add_argument("tenant", type=argument.slug, nargs="?")
    rotate = _command(inner, "rotate", "make a like key; the old one lives on for a while", "key")
    rotate.add_argument("key", help="the key's id: the middle of dm_<id>_<secret>")
    rotate.add_argument("--grace-hours", type=argument.hours_or_none, default=timedelta(hours=24))
    revoke = _command(inner, "revoke", "close a key now", "key")
    revoke.add_argument("key", help="the key's id")


def _endpoint(groups: Groups) -> None:
    inner = groups.add_parser("endpoint", help="webhook endpoints").add_subparsers(
        required=True, metavar="COMMAND"
    )
    create = _command(
        inner, "create", "send a tenant's events there; the secret is the last line", "endpoint"
    )
    create.add_argument("tenant", type=argument.slug)
    create.add_argument("url")


def _stage(groups: Groups) -> None:
    inner = groups.add_parser("stage", help="kinds of work").add_subparsers(
        required=True, metavar="COMMAND"
    )
    about = "let so many of its tasks begin a second, of all tenants together"
    limit = _command(inner, "limit", about, "stage")
    limit.add_argument("stage", choices=[stage.value for stage in Stage])
    limit.add_argument(
        "starts_per_second", type=argument.rate, nargs="?", help="without it: no limit"
    )
    about = "let each of its tasks err so often and take so long; the workers' settings without it"
    tasks = _command(inner, "task-limit", about, "stage")
    tasks.add_argument("stage", choices=[stage.value for stage in Stage])
    tasks.add_argument("--tenant", type=argument.slug, help="of this tenant only")
    tasks.add_argument("--attempts", type=argument.count, help="errors that one task may spend")
    tasks.add_argument("--deadline-seconds", type=argument.seconds, dest="deadline")
    _command(inner, "list", "show the limited stages", "stage")


def _task(groups: Groups) -> None:
    inner = groups.add_parser("task", help="dead letters: tasks given up").add_subparsers(
        required=True, metavar="COMMAND"
    )
    _which(_command(inner, "list", "show dead tasks, the newest first", "task"))
    show = _command(inner, "show", "show a dead task and its attempts", "task")
    show.add_argument("task", type=argument.size)
    replay = _command(inner, "replay", "try one again, or all that match", "task")
    _which(replay, one=True)
    replay.add_argument(
        "--per-second", type=argument.rate, default=10, help="how many begin a second"
    )
    discard = _command(inner, "discard", "put one away, or all that match", "task")
    _which(discard, one=True)
    discard.add_argument("--reason", required=True)


def _which(command: argparse.ArgumentParser, *, one: bool = False) -> None:
    if one:
        chosen = command.add_mutually_exclusive_group(required=True)
        chosen.add_argument("task", type=argument.size, nargs="?")
        chosen.add_argument("--all", action="store_true", help="all that match")
    command.add_argument("--code")
    command.add_argument("--stage", choices=[stage.value for stage in Stage])
    command.add_argument("--tenant", type=argument.slug)
    command.add_argument("--within-hours", type=argument.hours_or_none, help="that died so lately")
    command.add_argument("--before-hours", type=argument.hours_or_none, help="that died longer ago")
    command.add_argument("--discarded", action="store_true", help="those put away as well")
    command.add_argument("--replayed", action="store_true", help="those tried again as well")
    all_or = None if one else 1000
    command.add_argument("--limit", type=argument.count, default=all_or, help="the newest so many")


def _document(groups: Groups) -> None:
    inner = groups.add_parser("document", help="legal holds").add_subparsers(
        required=True, metavar="COMMAND"
    )
    hold = _command(inner, "hold", "keep a document from being erased or expiring", "document")
    hold.add_argument("document", type=UUID)
    hold.add_argument("--reason", required=True, help="shown in the document")
    release = _command(inner, "release", "end a document's legal hold", "document")
    release.add_argument("document", type=UUID)


def _command(
    groups: Groups,
    name: str,
    about: str,
    group: str = "",
) -> argparse.ArgumentParser:
    command = groups.add_parser(name, help=about, description=about)
    command.set_defaults(do=f"{group} {name}".strip())
    return command
