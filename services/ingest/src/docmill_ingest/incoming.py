"""The two ways a file comes in: as the whole body, or as the one file of a form."""

from collections.abc import Mapping
from typing import Final

from flask import Request, g
from werkzeug.http import parse_options_header

from docmill_ingest.accept import Incoming
from docmill_ingest.body import Readable, RequestBody
from docmill_ingest.form import OVERHEAD_BYTES, Form
from docmill_ingest.options import Wishes, read

FORM_TYPE: Final = "multipart/form-data"


class RawBody:
    """The file is the body; options are in the query."""

    def __init__(self, request: Request, body: RequestBody) -> None:
        self.declared_size = request.content_length
        self._wishes = read(_query(request))
        self._body = body
        self._type = request.mimetype
        self._name = _disposition_name(request)

    def wishes(self) -> Wishes:
        return self._wishes

    def open(self) -> tuple[Readable, str, str | None]:
        return self._body, self._type, self._name

    def finish(self) -> None:
        """Nothing follows."""


class FormBody:
    """The file is a part of a form; options are fields before or after it, or in the query."""

    def __init__(self, request: Request, body: RequestBody) -> None:
        length = request.content_length
        self.declared_size = None if length is None else max(0, length - OVERHEAD_BYTES)
        self._query = _query(request)
        self._form = Form(body, request.headers.get("Content-Type", ""))

    def wishes(self) -> Wishes:
        return read({**self._query, **self._form.fields})

    def open(self) -> tuple[Readable, str, str | None]:
        part = self._form.open_file()
        return part, part.content_type, part.name

    def finish(self) -> None:
        self._form.finish()


def incoming(request: Request) -> Incoming:
    """Choose by the Content-Type."""
    # Flask's own stream would buffer nothing either, but hides where a body broke off
    body = g.body = RequestBody(request.environ["wsgi.input"], request.content_length)
    return FormBody(request, body) if request.mimetype == FORM_TYPE else RawBody(request, body)


def _query(request: Request) -> Mapping[str, str]:
    return {name: ",".join(values) for name, values in request.args.lists()}


def _disposition_name(request: Request) -> str | None:
    _, options = parse_options_header(request.headers.get("Content-Disposition"))
    return options.get("filename")
