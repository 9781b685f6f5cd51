"""The small rules of the REST service, each alone."""

import hashlib
import io
import json
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from docmill.domain.document import EVERY_PAGE, Ocr, OcrChange, Options, Pages, Upload
from docmill.domain.key import artifact_key, document_prefix, original_key
from docmill.domain.refusal import (
    BadForm,
    BadMetadata,
    FileTooLarge,
    IncompleteUpload,
    InvalidOption,
)
from docmill.domain.task import Stage
from docmill.domain.tenant import ApiKey, Scope, is_slug, new_key, secret_hash, split_key
from docmill_ingest.accept import request_hash
from docmill_ingest.auth import Allowance
from docmill_ingest.body import FileBody, RequestBody
from docmill_ingest.catalogue import entries, remedy
from docmill_ingest.content import disposition
from docmill_ingest.form import Form
from docmill_ingest.installed import Installed
from docmill_ingest.names import MAX_NAME, clean_name
from docmill_ingest.options import read, written
from docmill_ingest.query import ListQuery, cursor
from docmill_ingest.waiting import Changes

OPTIONS = ("languages", "pages", "outputs", "metadata", "force_ocr", "forbid_ocr")
DOCUMENT = UUID("0190a0b0-0000-7000-8000-000000000001")


class TestNames:
    @given(st.text())
    @example("../" * 99)
    @example("\ud800")
    @example("..\x1f")
    @example("\u3000.")
    @example("." + " " * 300 + "x")
    def test_any_name_becomes_one_that_is_safe(self, text: str) -> None:
        name = clean_name(text)
        assert 1 <= len(name) <= MAX_NAME
        assert not {"/", "\\", "\r", "\n", "\x00"} & set(name)
        assert name.strip(" .")
        assert clean_name(name) == name

    @given(st.text())
    def test_any_name_makes_one_header(self, text: str) -> None:
        header = disposition(text)
        assert header.isascii()
        assert header.count('"') == 2
        assert "\n" not in header


class TestOptions:
    @given(st.dictionaries(st.sampled_from(OPTIONS), st.text()))
    def test_any_option_is_read_or_refused(self, fields: dict[str, str]) -> None:
        with suppress(InvalidOption, BadMetadata):
            options = read(fields).options
            assert Options.from_json(options.as_json()) == options

    def test_what_is_not_said_has_its_default(self) -> None:
        assert read({}).options == Options()

    def test_pages_are_sorted_and_single(self) -> None:
        assert read({"pages": " 5,1-3, 2"}).options.pages == (1, 2, 3, 5)

    def test_ocr_is_forced_and_forbidden_by_page(self) -> None:
        options = read({"force_ocr": "1-2", "forbid_ocr": "4"}).options
        asked = [options.ocr(page) for page in (1, 2, 3, 4)]
        assert asked == [Ocr.FORCE, Ocr.FORCE, Ocr.AUTO, Ocr.FORBID]
        assert Options.from_json(options.as_json()) == options

    @pytest.mark.parametrize("text", ["all", "ALL", " all "])
    def test_ocr_is_forbidden_for_all_pages(self, text: str) -> None:
        assert read({"forbid_ocr": text}).options.ocr(7) is Ocr.FORBID

    def test_pages_that_are_named_are_meant_before_all(self) -> None:
        forbidden = read({"force_ocr": "3", "forbid_ocr": "all"}).options
        forced = read({"force_ocr": "all", "forbid_ocr": "3"}).options
        assert [forbidden.ocr(page) for page in (2, 3)] == [Ocr.FORBID, Ocr.FORCE]
        assert [forced.ocr(page) for page in (2, 3)] == [Ocr.FORCE, Ocr.FORBID]

    @pytest.mark.parametrize("option", ["pages", "force_ocr", "forbid_ocr"])
    @pytest.mark.parametrize("value", ["x", "3-1", "all,3", "1-9000,1-9000"])
    def test_a_bad_page_is_told_of_its_option(self, option: str, value: str) -> None:
        with pytest.raises(InvalidOption, match=f"^{option}: ") as refused:
            read({option: value})
        assert refused.value.facts["option"] == option

    @given(st.sets(st.integers(1, 40)))
    @example({1, 2, 3, 5, 7, 8})
    def test_written_pages_are_read_back(self, pages: set[int]) -> None:
        assert set(read({"pages": written(sorted(pages))}).options.pages) == pages

    def test_pages_are_written_in_ranges(self) -> None:
        assert written((1, 2, 3, 5, 7, 8)) == "1-3,5,7-8"

    def test_pages_that_a_document_does_not_have_are_known(self) -> None:
        options = read({"pages": "1-4", "force_ocr": "all", "forbid_ocr": "2,9"}).options
        assert [options.beyond(total) for total in (3, 4, 9)] == [(4, 9), (9,), ()]

    @pytest.mark.parametrize(
        ("change", "force", "forbid"),
        [
            (OcrChange(), (1, 2), (EVERY_PAGE,)),
            (OcrChange(force=(5,)), (5,), (EVERY_PAGE,)),
            (OcrChange(force=(EVERY_PAGE,)), (EVERY_PAGE,), ()),
            (OcrChange(forbid=(2, 3)), (1,), (2, 3)),
            (OcrChange(forbid=()), (1, 2), ()),
            (OcrChange((3,), (4,)), (3,), (4,)),
        ],
    )
    def test_what_is_given_takes_its_pages_from_what_is_kept(
        self, change: OcrChange, force: Pages, forbid: Pages
    ) -> None:
        options = Options(pages=(1,), force_ocr=(1, 2), forbid_ocr=(EVERY_PAGE,))
        changed = replace(options, force_ocr=force, forbid_ocr=forbid)
        assert change.of(options) == changed

    @pytest.mark.parametrize(("force", "forbid"), [("1-3", "3"), ("all", "all")])
    def test_a_page_is_not_both_forced_and_forbidden(self, force: str, forbid: str) -> None:
        with pytest.raises(InvalidOption):
            read({"force_ocr": force, "forbid_ocr": forbid})

    def test_options_are_written_as_the_release_before_writes_them(self) -> None:
        assert set(Options().as_json()) == {"languages", "pages", "outputs"}

    def test_a_deep_metadata_is_refused(self) -> None:
        with pytest.raises(BadMetadata):
            read({"metadata": "[" * 9000 + "]" * 9000})


def form_body(*parts: tuple[str, str, bytes]) -> bytes:
    made = b""
    for name, filename, content in parts:
        named = f'; filename="{filename}"' if filename else ""
        made += f'--b\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode()
        made += content + b"\r\n"
    return made + b"--b--\r\n"


class TestForm:
    @given(st.binary(max_size=3000), st.integers(1, 5000))
    @example(b"\r\n--b", 1)
    @example(b"\r\n--", 7)
    def test_the_file_comes_out_as_it_went_in(self, content: bytes, step: int) -> None:
        if b"\r\n--b" in content:
            return  # the sender chooses a boundary that the content does not hold
        raw = form_body(("languages", "", b"eng"), ("file", "a", content), ("pages", "", b"1"))
        form = Form(io.BytesIO(raw), "multipart/form-data; boundary=b")
        part = form.open_file()
        assert form.fields == {"languages": "eng"}
        assert b"".join(iter(lambda: part.read(step), b"")) == content
        form.finish()
        assert form.fields == {"languages": "eng", "pages": "1"}

    @given(st.binary(max_size=500))
    def test_rubbish_is_a_bad_form_and_nothing_else(self, raw: bytes) -> None:
        form = Form(io.BytesIO(raw), "multipart/form-data; boundary=b")
        with pytest.raises(BadForm):
            form.open_file()

    def test_too_many_fields_are_refused(self) -> None:
        raw = form_body(*((f"f{number}", "", b"") for number in range(40)))
        with pytest.raises(BadForm):
            Form(io.BytesIO(raw), "multipart/form-data; boundary=b").open_file()

    def test_a_form_needs_a_boundary(self) -> None:
        with pytest.raises(BadForm):
            Form(io.BytesIO(b""), "multipart/form-data").open_file()


class Broken(io.BytesIO):
    """A connection that breaks."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise ConnectionResetError


class TestBody:
    def test_a_body_shorter_than_announced_is_incomplete(self) -> None:
        body = RequestBody(io.BytesIO(b"abc"), 5)
        assert body.read(10) == b"abc"
        with pytest.raises(IncompleteUpload):
            body.read(10)
        assert body.unread

    def test_a_broken_connection_is_an_incomplete_upload(self) -> None:
        with pytest.raises(IncompleteUpload):
            RequestBody(Broken(), None).read(10)

    @pytest.mark.parametrize("length", [3, None])
    def test_a_body_read_to_its_end_leaves_nothing_unread(self, length: int | None) -> None:
        body = RequestBody(io.BytesIO(b"abc"), length)
        while body.read(2):
            pass
        assert not body.unread

    def test_a_file_is_stopped_at_its_limit(self) -> None:
        body = FileBody(io.BytesIO(b"x" * 100), 10)
        assert len(body.read(10)) == 10
        with pytest.raises(FileTooLarge):
            body.read(1)


class TestKeys:
    def test_a_new_key_is_split_into_id_and_secret(self) -> None:
        key = new_key()
        identity, secret = split_key(key.text) or ("", "")
        assert identity == key.id
        assert secret_hash(secret) == key.secret_sha256 == hashlib.sha256(secret.encode()).digest()

    @pytest.mark.parametrize("text", ["", "dm_", "dm_abc_def", " dm_000000000000_" + "a" * 43])
    def test_other_text_is_no_key(self, text: str) -> None:
        assert split_key(text) is None

    def test_a_key_opens_until_it_expires_or_is_revoked(self) -> None:
        now = datetime.now(UTC)
        key = ApiKey(
            id="k", tenant="t", name="", scope=Scope.DOCUMENTS, secret_sha256=b"", created_at=now
        )
        assert key.usable(now)
        assert not replace(key, revoked_at=now).usable(now)
        assert replace(key, expires_at=now + timedelta(1)).usable(now)
        assert not replace(key, expires_at=now).usable(now)

    def test_everything_of_a_document_lies_under_its_prefix(self) -> None:
        prefix = document_prefix("one", DOCUMENT)
        key = artifact_key(
            "one", DOCUMENT, run=1, stage=Stage.RECOGNISE, page=3, sha256=b"\xff" * 32
        )
        assert original_key("one", DOCUMENT) == f"{prefix}original"
        assert key == f"{prefix}1/recognise/3/{'ff' * 32}"

    @pytest.mark.parametrize("name", ["a", "acme", "a-1", "0" * 63])
    def test_a_slug_is_plain(self, name: str) -> None:
        assert is_slug(name)


class TestRequestHash:
    UPLOAD = Upload(
        document=DOCUMENT,
        tenant="t",
        key="k",
        name="a",
        declared_type="x/y",
        size=1,
        sha256=b"1" * 32,
        options=Options(),
        retention=timedelta(1),
        correlation="c",
        api_key="a",
    )

    def test_another_attempt_hashes_the_same(self) -> None:
        again = replace(self.UPLOAD, document=UUID(int=7), key="other", correlation="d")
        assert request_hash(again) == request_hash(self.UPLOAD)

    @pytest.mark.parametrize(
        "change",
        [
            {"sha256": b"2" * 32},
            {"name": "b"},
            {"metadata": {"a": 1}},
            {"options": Options(pages=(1,))},
        ],
    )
    def test_another_request_hashes_otherwise(self, change: dict[str, object]) -> None:
        other = replace(self.UPLOAD, **change)  # type: ignore[arg-type]  # one field each
        assert request_hash(other) != request_hash(self.UPLOAD)


class Ticks:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class TestBounds:
    def test_an_allowance_fills_up_again(self) -> None:
        ticks = Ticks()
        allowance = Allowance(2, ticks)
        assert [allowance.take() for _ in range(3)] == [True, True, False]
        ticks.now += 0.5
        assert [allowance.take() for _ in range(2)] == [True, False]

    def test_known_languages_outlive_the_workers(self) -> None:
        ticks, answers = Ticks(), [frozenset({"deu"}), frozenset[str]()]
        installed = Installed(lambda: answers.pop(0), "eng", ticks)
        assert installed() == {"deu"}
        ticks.now += 6
        assert installed() == {"deu"}

    def test_without_workers_the_default_counts(self) -> None:
        assert Installed(frozenset, "eng, fra", Ticks())() == {"eng", "fra"}

    def test_who_waits_looks_again_when_a_notification_may_be_lost(self) -> None:
        changes = Changes(1)
        with changes.watching(DOCUMENT) as woken:
            changes.heard("docmill_document", "no id")
            changes.heard("docmill_document", str(UUID(int=7)))
            assert not woken.is_set()
            for payload in (str(DOCUMENT), ""):
                changes.heard("docmill_document", payload)
                assert woken.is_set()
                woken.clear()

    def test_a_cursor_is_read_back(self) -> None:
        assert ListQuery(cursor=cursor(DOCUMENT)).before == DOCUMENT


class TestCatalogue:
    def test_every_code_is_there_once_with_a_remedy(self) -> None:
        codes = [entry.code for entry in entries()]
        assert len(codes) == len(set(codes))
        assert all(entry.remedy and entry.meaning for entry in entries())

    def test_a_remedy_is_found_by_code(self) -> None:
        assert "password" in remedy("encrypted_pdf")
        assert remedy("nonsense") == ""

    def test_facts_of_a_refusal_are_json(self) -> None:
        assert json.dumps(FileTooLarge("x", max_file_bytes=1).facts)
