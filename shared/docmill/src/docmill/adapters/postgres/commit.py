"""What a finished task records: its output, its artifacts, and what comes next."""

from typing import Any, Final

from psycopg.types.json import Jsonb

from docmill.adapters.postgres.queries import load
from docmill.adapters.postgres.settle import Locked
from docmill.domain.document import Artifact, Output, State
from docmill.domain.plan import Source
from docmill.domain.task import Claim, Stage
from docmill.ports import Product

SQL: Final = load("ledger")


def record(document: Locked, claim: Claim, product: Product) -> None:
    """Record the product of a task whose fence held, under its document's lock."""
    _output(document, claim, product)
    match claim.stage:
        case Stage.VALIDATE:
            _plan(document, claim, product.facts["plan"])
        case Stage.RECOGNISE:
            _page(document, claim, product)
        case Stage.THUMBNAIL:
            document.tell("thumbnailed")
        case _:
            pass  # assemble tells itself by the document's end


def _output(document: Locked, claim: Claim, product: Product) -> None:
    made = {
        "token": claim.token,
        "engine": product.engine,
        "facts": Jsonb({} if claim.stage is Stage.VALIDATE else dict(product.facts)),
        "artifacts": Jsonb([_plain(each) for each in product.artifacts]),
    }
    document.connection.execute(SQL["insert_output"], _unit(claim) | made)


def _page(document: Locked, claim: Claim, product: Product) -> None:
    facts = {"facts": Jsonb(dict(product.facts))}
    document.connection.execute(SQL["save_page"], _unit(claim) | facts)
    document.tell("page_recognised", page=claim.page, **_confidence(product))
    if product.assembled is not None:
        _output(document, claim.assembling, product.assembled)


def _plan(document: Locked, claim: Claim, plan: dict[str, Any]) -> None:
    unit = _unit(claim)
    document.connection.execute(SQL["save_plan"], unit | {"plan": Jsonb(plan)})
    document.connection.execute(SQL["insert_pages"], unit | {"pages": Jsonb(plan["pages"])})
    document.row |= {"pages": plan["total_pages"], "media_type": plan["media_type"]}
    if document.state is State.RECEIVED:
        document.move(State.PROCESSING)
    document.tell("validated", pages=plan["total_pages"], media_type=plan["media_type"])
    pages = [page["number"] for page in plan["pages"] if page["source"] != Source.TEXT]
    document.add_tasks(Stage.RECOGNISE, pages)
    if Output.THUMBNAILS in claim.options.outputs:
        document.add_tasks(Stage.THUMBNAIL)


def _unit(claim: Claim) -> dict[str, Any]:
    return {
        "document": claim.document,
        "run": claim.run,
        "stage": claim.stage,
        "page": claim.page,
    }


def _plain(artifact: Artifact) -> dict[str, Any]:
    return {
        "kind": artifact.kind,
        "page": artifact.page,
        "key": artifact.key,
        "sha256": artifact.sha256.hex(),
        "size": artifact.size,
        "media_type": artifact.media_type,
    }


def _confidence(product: Product) -> dict[str, Any]:
    confidence = product.facts.get("confidence")
    return {} if confidence is None else {"confidence": confidence}
