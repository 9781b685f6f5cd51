"""The arguments of `docmill`."""

import argparse
from pathlib import Path

DOCUMENT = "a document's id"


def parser() -> argparse.ArgumentParser:
    """Make the parser; `do` of its result names the command."""
    made = argparse.ArgumentParser(
        prog="docmill",
        description="Upload documents and read what is in them. DOCMILL_URL tells where the "
        "service is (http://localhost:8080 without it), DOCMILL_KEY your key.",
    )
    commands = made.add_subparsers(dest="do", required=True, metavar="COMMAND")
    _upload(commands.add_parser("upload", help="upload files"))
    _list(commands.add_parser("list", help="list documents, the newest first"))
    for name, about in _ON_A_DOCUMENT.items():
        commands.add_parser(name, help=about, description=about).add_argument(
            "document", help=DOCUMENT
        )
    _retry(commands.add_parser("retry", help="ask for a new run"))
    pdf = commands.add_parser("pdf", help="save the searchable PDF")
    pdf.add_argument("document", help=DOCUMENT)
    pdf.add_argument("--output", "-o", type=Path, help="where; else the document's name")
    return made


_ON_A_DOCUMENT = {
    "get": "show a document as JSON",
    "wait": "wait until a document has settled",
    "text": "print the text",
    "events": "show a document's history",
    "cancel": "stop the work on a document",
    "erase": "delete all of a document",
}


def _upload(command: argparse.ArgumentParser) -> None:
    command.add_argument("files", nargs="+", type=Path, metavar="FILE")
    command.add_argument("--wait", action="store_true", help="wait and print the text")
    command.add_argument("--languages", help="by commas, the main one first: eng,fra; or auto")
    command.add_argument("--pages", help="pages to read: 1-3,5")
    _ocr(command)
    command.add_argument("--outputs", help="by commas: words,hocr,pdf,thumbnails")
    command.add_argument("--priority", choices=["critical", "default", "batch"])
    command.add_argument("--metadata", help="a JSON object")
    command.add_argument("--batch", metavar="ID", help="an open batch to put them into")


def _retry(command: argparse.ArgumentParser) -> None:
    command.add_argument("document", help=DOCUMENT)
    _ocr(command)


def _ocr(command: argparse.ArgumentParser) -> None:
    command.add_argument("--force-ocr", metavar="PAGES", help="pages to recognise anyway, or all")
    command.add_argument("--forbid-ocr", metavar="PAGES", help="pages never to recognise, or all")


def _list(command: argparse.ArgumentParser) -> None:
    command.add_argument("--state", help="by commas: ready,failed")
    command.add_argument("--name", help="part of the name")
    command.add_argument("--limit", type=int, default=20)
