"""Takes the text of an earlier OCR out of a page, where nobody sees any of it."""

from collections.abc import Mapping
from copy import copy
from typing import Final

import pikepdf
from pikepdf import Dictionary, Name, Object, Page, Pdf, Stream, Token, TokenFilter, TokenType

Made = dict[tuple[object, str], Object | None]

_VISIBLE: Final = "0"
_INVISIBLE: Final = "3"  # of the text rendering modes
_SHOWING: Final = frozenset({"Tj", "TJ", "'", '"'})
_ENDS: Final = frozenset({TokenType.word, TokenType.eof})
_BETWEEN: Final = frozenset({TokenType.space, TokenType.comment})
_MOST_FORMS: Final = 50  # an earlier OCR adds one


class _Seen(Exception):
    """Some text is visible, or may be."""


def take_out(document: Pdf, page: Page) -> None:
    """Take the text out of a page all of whose text is invisible; the rest stays byte for byte.

    Any other page stays as it is, and so do forms that it shares with other pages.
    """
    eraser = _Eraser(page.resources, _VISIBLE, {})
    try:
        content = page.get_filtered_contents(eraser)
    except (_Seen, pikepdf.PikepdfError):
        return
    if eraser.erased:
        page.obj.Contents = Stream(document, content)
        page.obj.Resources = eraser.resources()


class _Eraser(TokenFilter):
    """Leaves the text out of one content stream; raises _Seen at text that is drawn."""

    def __init__(self, resources: Object, mode: str, made: Made) -> None:
        super().__init__()
        self.erased = False
        self._resources = resources
        self._forms = named(resources, Name.XObject)
        self._mode = mode
        self._saved: list[str] = []
        self._made = made  # of forms: what they are without text, None while that is found out
        self._drawn: dict[str, Object] = {}
        self._operation: list[Token] = []

    def handle_token(self, token: Token) -> list[Token]:  # type: ignore[override]  # always given
        self._operation.append(token)
        if token.type_ not in _ENDS:
            return []
        operation, self._operation = self._operation, []
        if token.value in _SHOWING:
            self._erase()
            return []
        self._follow(token.value, _operand(operation))
        return operation

    def resources(self) -> Object:
        """Return the resources that the content needs now."""
        resources = copy(self._resources)
        if self._drawn:
            resources.XObject = Dictionary({**self._forms, **self._drawn})
        return resources

    def _erase(self) -> None:
        # Letters of a Type 3 font are drawn in any mode.
        fonts = named(self._resources, Name.Font).values()
        if self._mode != _INVISIBLE or any(map(_is_type_3, fonts)):
            raise _Seen
        self.erased = True

    def _follow(self, operator: str, operand: str) -> None:
        match operator:
            case "q":
                self._saved.append(self._mode)
            case "Q" if self._saved:
                self._mode = self._saved.pop()
            case "Tr":
                self._mode = operand
            case "Do" if operand in self._forms:
                self._draw(operand)
            case _:
                pass

    def _draw(self, name: str) -> None:
        form = self._forms[name]
        if not isinstance(form, Stream) or form.get(Name.Subtype) != Name.Form:
            return
        without = self._without_text(form)
        if without is not form:
            self._drawn[name] = without
            self.erased = True

    def _without_text(self, form: Stream) -> Object:
        key = form.objgen, self._mode
        if key not in self._made:
            self._made[key] = None
            self._made[key] = self._erased_form(form)
        made = self._made[key]
        if made is None or len(self._made) > _MOST_FORMS:  # None: it draws itself
            raise _Seen
        return made

    def _erased_form(self, form: Stream) -> Object:
        if not form.read_bytes():  # which qpdf (12) cannot filter
            return form
        own = form.get(Name.Resources)
        resources = own if isinstance(own, Dictionary) else self._resources
        eraser = _Eraser(resources, self._mode, self._made)
        content = Page(form).get_filtered_contents(eraser)
        if not eraser.erased:
            return form
        made = copy(form)
        made.write(content)
        made.Resources = eraser.resources()
        return made


def named(resources: Object, kind: Name) -> Mapping[str, Object]:
    """Return the resources of a kind by their names; none where the file has something else."""
    found = resources.get(kind)
    return dict(found.items()) if isinstance(found, Dictionary) else {}


def _is_type_3(font: Object) -> bool:
    return isinstance(font, Dictionary) and font.get(Name.Subtype) == Name.Type3


def _operand(operation: list[Token]) -> str:
    """Return the last operand, as a word."""
    operands = (token for token in reversed(operation[:-1]) if token.type_ not in _BETWEEN)
    return next((token.value for token in operands), "")
