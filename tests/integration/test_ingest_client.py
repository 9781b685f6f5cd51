"""The SDK and the `docmill` command against the real service."""

import inspect
import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from rich.console import Console

from docmill.domain.tenant import Scope
from docmill.ops.settings import StoreSettings
from docmill_client import Client, Problem, Unreachable
from docmill_client.command import Command, run
from docmill_client.parser import parser
from docmill_ingest.options import UploadOptions
from tests.stack.api import PDF, Api, api
from tests.stack.ledger import lengthened


@dataclass
class Shop:
    """A service in this process and a client of it."""

    service: Api
    client: Client

    def command(self, *arguments: str) -> tuple[int, str]:
        """Run the command line; return its exit code and output."""
        out = io.StringIO()
        asked = parser().parse_args(arguments)
        command = Command(asked, self.client, Console(file=out, width=200), Console(file=out))
        return run(command), out.getvalue()


@pytest.fixture
def shop(database_url: str, blob_settings: StoreSettings) -> Iterator[Shop]:
    with api(database_url, blob_settings) as service:
        service.tenant("one")
        key = service.tenants.add_key("one", Scope.DOCUMENTS).text
        transport = httpx.WSGITransport(app=service.service.app)
        with Client("http://docmill", key, transport=transport) as client:
            yield Shop(service, client)


def test_a_document_goes_in_and_its_text_comes_out(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(PDF)
    document = shop.client.upload(tmp_path / "a.pdf", metadata={"year": 2026}, outputs=["pdf"])
    shop.service.work_off()
    settled = shop.client.wait(document["id"])
    assert (settled["state"], settled["name"]) == ("ready", "a.pdf")
    assert shop.client.text(document["id"]) == "Page 1\fPage 2"
    assert shop.client.page(document["id"], 2)["text"] == "Page 2"
    assert shop.client.pdf(document["id"], tmp_path / "b.pdf") == len(PDF)
    assert (tmp_path / "b.pdf").read_bytes() == PDF
    assert [each["id"] for each in shop.client.list()] == [document["id"]]


def test_every_option_of_an_upload_can_be_given() -> None:
    assert set(UploadOptions.model_fields) <= set(inspect.signature(Client.upload).parameters)


def test_the_caller_says_which_pages_are_recognised(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(PDF)
    shop.command("upload", str(tmp_path / "a.pdf"), "--force-ocr", "2", "--forbid-ocr", "1")
    (document,) = shop.client.list()
    options = document["options"]
    assert (options["force_ocr"], options["forbid_ocr"]) == ([2], [1])
    shop.service.work_off()
    assert shop.client.alto(document["id"], 2).count("<Page ") == 1
    assert shop.client.alto(document["id"]).count("<Page ") == 2


def test_the_languages_are_those_that_can_be_read(shop: Shop) -> None:
    assert list(shop.client.languages()) == ["eng"]


def test_a_refusal_is_a_problem_with_its_code(shop: Shop, tmp_path: Path) -> None:
    document = shop.client.upload(PDF, name="a.pdf")
    with pytest.raises(Problem) as refused:
        shop.client.text(document["id"])
    assert (refused.value.code, refused.value.status) == ("not_ready", 409)
    assert refused.value.remedy
    with pytest.raises(Problem):
        shop.client.pdf(document["id"], tmp_path / "b.pdf")
    assert not (tmp_path / "b.pdf").exists()


def test_a_wait_has_an_end(shop: Shop) -> None:
    document = shop.client.upload(PDF)
    with pytest.raises(TimeoutError):
        shop.client.wait(document["id"], timeout=0.1)


def test_a_life_ends_as_asked(shop: Shop) -> None:
    document = shop.client.upload(PDF)
    assert shop.client.cancel(document["id"])["state"] == "cancelled"
    assert shop.client.retry(document["id"])["run"] == 2
    shop.client.cancel(document["id"])
    options = shop.client.retry(document["id"], force_ocr="all", forbid_ocr="2")["options"]
    assert (options["force_ocr"], options["forbid_ocr"]) == ([0], [2])
    shop.client.erase(document["id"])
    with pytest.raises(Problem, match="tenant"):
        shop.client.get(document["id"])


def test_a_long_history_comes_whole(shop: Shop) -> None:
    document = shop.client.upload(PDF)["id"]
    last = lengthened(shop.service.desk, UUID(document))
    assert [each["seq"] for each in shop.client.events(document)] == list(range(1, last + 1))


class Flaky(httpx.BaseTransport):
    """A network that fails before or after the service did its work."""

    def __init__(self, app: httpx.BaseTransport, faults: list[str]) -> None:
        self._app = app
        self._faults = faults

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        fault = self._faults.pop(0) if self._faults else ""
        if fault == "refused":
            raise httpx.ConnectError("refused", request=request)
        if fault == "unavailable":
            return httpx.Response(503, headers={"Retry-After": "1"})
        answer = self._app.handle_request(request)
        if fault == "answer lost":
            answer.close()
            raise httpx.ReadError("reset", request=request)
        return answer


@pytest.mark.parametrize("fault", ["refused", "unavailable", "answer lost"])
def test_an_upload_tried_again_stays_one_document(shop: Shop, fault: str) -> None:
    key = shop.service.tenants.add_key("one", Scope.DOCUMENTS).text
    app = httpx.WSGITransport(app=shop.service.service.app)
    pauses: list[float] = []
    with Client(
        "http://docmill", key, transport=Flaky(app, [fault, fault]), sleep=pauses.append
    ) as client:
        document = client.upload(PDF)
        assert [each["id"] for each in client.list()] == [document["id"]]
    assert len(pauses) == 2


def test_a_service_that_stays_away_is_told() -> None:
    away = Flaky(httpx.MockTransport(lambda _: httpx.Response(200)), ["refused"] * 9)
    with (
        Client("http://docmill", "k", transport=away, sleep=lambda _: None) as client,
        pytest.raises(Unreachable),
    ):
        client.get("x")


class TestCommand:
    def test_it_uploads_waits_and_prints(self, shop: Shop, tmp_path: Path) -> None:
        (tmp_path / "a.pdf").write_bytes(PDF)
        worker = threading.Timer(0.3, shop.service.work_off)
        worker.start()
        code, out = shop.command("upload", str(tmp_path / "a.pdf"), "--wait")
        worker.join()
        assert code == 0
        assert "Page 1" in out

    def test_it_lists_shows_and_erases(self, shop: Shop) -> None:
        identity = shop.client.upload(PDF, name="a.pdf")["id"]
        assert "a.pdf" in shop.command("list", "--state", "received")[1]
        assert '"state": "received"' in shop.command("get", identity)[1]
        assert "accepted" in shop.command("events", identity)[1]
        assert shop.command("cancel", identity) == (0, "cancelled\n")
        assert shop.command("retry", identity, "--force-ocr", "2") == (0, "processing\n")
        assert shop.client.get(identity)["options"]["force_ocr"] == [2]
        assert shop.command("erase", identity) == (0, "erased\n")

    def test_a_saved_pdf_overwrites_nothing(
        self, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        identity = shop.client.upload(PDF, name="a.tiff")["id"]
        shop.service.work_off()
        for _ in range(2):
            assert shop.command("pdf", identity)[0] == 0
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a-1.pdf", "a.pdf"]
