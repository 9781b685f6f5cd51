"""One service and one key."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self
from uuid import UUID, uuid4

import httpx

from docmill_client.errors import Problem, Unreachable

Document = dict[str, Any]
Identity = str | UUID

TRIES: Final = 6
LONGEST_PAUSE_SECONDS: Final = 10.0
WAIT_SECONDS: Final = 30
CHUNK_BYTES: Final = 256 * 2**10
TERMINAL: Final = frozenset({"ready", "rejected", "failed", "cancelled", "expired"})
_UNAVAILABLE: Final = 503


class Client:
    """Talks to docmill. Calls are tried again while the service is away; uploads too, safely.

    Every method raises Problem when the service refuses, and Unreachable when it stays away.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        *,
        tries: int = TRIES,
        sleep: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._tries = tries
        self._sleep = sleep
        self._http = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(30, read=90),
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. Twice is safe."""
        self._http.close()

    def upload(  # noqa: PLR0913 - the options of an upload
        self,
        file: Path | str | bytes,
        *,
        name: str | None = None,
        media_type: str = "application/octet-stream",
        languages: Sequence[str] = (),
        pages: str | None = None,
        force_ocr: str | None = None,
        forbid_ocr: str | None = None,
        outputs: Sequence[str] | None = None,
        priority: str | None = None,
        retention_seconds: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        batch: Identity | None = None,
        idempotency_key: str | None = None,
        correlation_id: str | None = None,
    ) -> Document:
        """Upload a file, or bytes, and return the document. Tried again, it stays one document.

        Pages are given as `1-3,5`; those of `force_ocr` and `forbid_ocr` may be `all`.
        """
        options = {
            "name": name or (None if isinstance(file, bytes) else Path(file).name),
            "languages": ",".join(languages) or None,
            "pages": pages,
            "force_ocr": force_ocr,
            "forbid_ocr": forbid_ocr,
            "outputs": None if outputs is None else ",".join(outputs),
            "priority": priority,
            "retention_seconds": retention_seconds,
            "metadata": None if metadata is None else json.dumps(metadata),
            "batch": None if batch is None else str(batch),
        }
        headers = {
            "Content-Type": media_type,
            "Idempotency-Key": idempotency_key or str(uuid4()),
            **({"X-Correlation-ID": correlation_id} if correlation_id else {}),
        }
        return self._upload(file, _given(options), headers)

    def get(self, document: Identity, *, wait: float | None = None) -> Document:
        """Look at a document; with `wait`, up to so many seconds for a change."""
        params = {} if wait is None else {"wait": wait}
        found: Document = self._json("GET", f"/v1/documents/{document}", params=params)
        return found

    def wait(self, document: Identity, *, timeout: float | None = None) -> Document:
        """Return the document once it has settled; raise TimeoutError after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            left = WAIT_SECONDS if deadline is None else deadline - time.monotonic()
            found = self.get(document, wait=max(0.0, min(WAIT_SECONDS, left)))
            if found["state"] in TERMINAL:
                return found
            if left <= 0:
                raise TimeoutError(f"{document} is {found['state']} after {timeout} s")

    def list(self, *, limit: int | None = None, **filters: str) -> Iterator[Document]:
        """Go through the documents, the newest first; `filters` are those of the API."""
        params: dict[str, Any] = dict(filters)
        given = 0
        while True:
            page = self._json("GET", "/v1/documents", params=params)
            for item in page["items"]:
                if limit is not None and given >= limit:
                    return
                given += 1
                yield item
            if page["next_cursor"] is None:
                return
            params["cursor"] = page["next_cursor"]

    def events(self, document: Identity, *, after: int = 0) -> Sequence[Mapping[str, Any]]:
        """Return the document's whole history after that `seq`."""
        events: list[Mapping[str, Any]] = []
        following: int | None = after
        while following is not None:
            path = f"/v1/documents/{document}/events"
            page = self._json("GET", path, params={"after": following})
            events += page["items"]
            following = page.get("next_after")  # a service of the release before names none
        return events

    def text(self, document: Identity) -> str:
        """Return the text; pages are separated by form feeds."""
        return self._call("GET", f"/v1/documents/{document}/text").text

    def words(self, document: Identity) -> Mapping[str, Any]:
        """Return the words with their boxes and confidences."""
        found: Mapping[str, Any] = self._json("GET", f"/v1/documents/{document}/words")
        return found

    def page(self, document: Identity, number: int) -> Mapping[str, Any]:
        """Return one page: text, words and geometry."""
        found: Mapping[str, Any] = self._json("GET", f"/v1/documents/{document}/pages/{number}")
        return found

    def alto(self, document: Identity, number: int | None = None) -> str:
        """Return the words as ALTO 4; with a page's number, that page's."""
        page = "" if number is None else f"/pages/{number}"
        return self._call("GET", f"/v1/documents/{document}{page}/alto").text

    def hocr(self, document: Identity) -> str:
        """Return the words as hOCR."""
        return self._call("GET", f"/v1/documents/{document}/hocr").text

    def pdf(self, document: Identity, path: Path) -> int:
        """Write the searchable PDF to a new file; return its size."""
        return self._download(f"/v1/documents/{document}/pdf", path)

    def original(self, document: Identity, path: Path) -> int:
        """Write the uploaded file to a new file; return its size."""
        return self._download(f"/v1/documents/{document}/original", path)

    def thumbnail(self, document: Identity, *, size: str = "medium") -> bytes:
        """Return a thumbnail of the first page, as WebP."""
        return self._call(
            "GET", f"/v1/documents/{document}/thumbnail", params={"size": size}
        ).content

    def cancel(self, document: Identity) -> Document:
        """Stop the work on a document. Twice is safe."""
        found: Document = self._json("POST", f"/v1/documents/{document}/cancel")
        return found

    def retry(
        self, document: Identity, *, force_ocr: str | None = None, forbid_ocr: str | None = None
    ) -> Document:
        """Ask for a new run, with other pages as in `upload`; what is None stays as it was."""
        params = _given({"force_ocr": force_ocr, "forbid_ocr": forbid_ocr})
        found: Document = self._json("POST", f"/v1/documents/{document}/retry", params=params)
        return found

    def erase(self, document: Identity) -> None:
        """Delete all of a document; it is hidden at once."""
        self._call("DELETE", f"/v1/documents/{document}")

    def languages(self) -> Sequence[str]:
        """Return what `upload` may be told as languages."""
        found: Sequence[str] = self._json("GET", "/v1/languages")["items"]
        return found

    def usage(self) -> Mapping[str, Any]:
        """Return what the tenant uses, and what it may."""
        found: Mapping[str, Any] = self._json("GET", "/v1/usage")
        return found

    def _upload(
        self, file: Path | str | bytes, params: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Document:
        def send() -> httpx.Response:
            with _body(file) as (content, size):
                return self._http.post(
                    "/v1/documents",
                    params=params,
                    content=content,
                    headers={**headers, "Content-Length": str(size)},
                )

        document: Document = self._tried(send).json()
        return document

    def _download(self, path: str, target: Path) -> int:
        with self._http.stream("GET", path) as answer, _new_file(target, answer) as file:
            return sum(file.write(chunk) for chunk in answer.iter_bytes(CHUNK_BYTES))

    def _json(self, method: str, path: str, *, params: Mapping[str, Any] | None = None) -> Any:
        return self._call(method, path, params=params).json()

    def _call(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None
    ) -> httpx.Response:
        return self._tried(lambda: self._http.request(method, path, params=params))

    def _tried(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """Send until the service answers otherwise than 503, with pauses that grow."""
        for left in reversed(range(self._tries)):
            pause = min(LONGEST_PAUSE_SECONDS, 0.5 * 2 ** (self._tries - 1 - left))
            try:
                answer = send()
            except httpx.TransportError as error:
                if not left:
                    raise Unreachable(str(error)) from error
            else:
                if answer.status_code != _UNAVAILABLE or not left:
                    return _checked(answer)
                pause = float(answer.headers.get("Retry-After", pause))
            self._sleep(min(LONGEST_PAUSE_SECONDS, pause))
        raise Unreachable("no try is left")


@contextmanager
def _body(file: Path | str | bytes) -> Iterator[tuple[Iterator[bytes], int]]:
    """The content in chunks, never whole in memory, and its size."""
    if isinstance(file, bytes):
        yield iter([file]), len(file)
        return
    with Path(file).open("rb") as opened:
        yield _chunks(opened), Path(file).stat().st_size


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk


@contextmanager
def _new_file(path: Path, answer: httpx.Response) -> Iterator[BinaryIO]:
    """Open the target only for a good answer, and leave no half of it behind."""
    if answer.is_error:
        answer.read()
    _checked(answer)
    with path.open("wb") as file:
        try:
            yield file
        except BaseException:
            path.unlink()
            raise


def _checked(answer: httpx.Response) -> httpx.Response:
    if not answer.is_error:
        return answer
    try:
        members = answer.json()
    except ValueError:
        members = {}
    raise Problem(answer.status_code, members if isinstance(members, dict) else {})


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
