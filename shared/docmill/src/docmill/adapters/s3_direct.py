"""PUT and GET of one object without boto3: the same requests at a fraction of the cost.

What boto3 does for each call (its models, its rules of endpoints, its hooks, a round trip for
`Expect`) took more of ingest's processor than all else of an upload.
"""

import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.credentials import Credentials
from botocore.exceptions import ConnectionError, HTTPClientError  # noqa: A004 - botocore's own
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3 import HTTPResponse

from docmill.ops import metrics
from docmill.ops.settings import StoreSettings

if TYPE_CHECKING:
    from docmill.adapters.s3 import Encrypted

_OK: Final = 200
_SERVER_ERROR: Final = 500
_HEADERS: Final[Mapping[str, str]] = {
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
}


class Direct:
    """Asks over kept connections. Safe from any thread.

    Where the answer is none or unusual it gives nothing: boto3 then tries anew.
    """

    def __init__(
        self, settings: StoreSettings, *, connections: int, encrypted: "Encrypted"
    ) -> None:
        self._base = f"{settings.s3_endpoint.rstrip('/')}/{settings.s3_bucket}/"
        self._encrypted = {_HEADERS[name]: str(value) for name, value in encrypted.items()}
        keys = Credentials(settings.s3_access_key, settings.s3_secret_key)
        self._signer = S3SigV4Auth(keys, "s3", settings.s3_region)
        patience = (settings.s3_connect_seconds, settings.s3_read_seconds)
        self._session = URLLib3Session(
            verify=settings.s3_ca_file or True,  # type: ignore[arg-type]  # a path will do
            proxies=get_environ_proxies(settings.s3_endpoint),
            timeout=tuple(each.total_seconds() for each in patience),  # type: ignore[arg-type]  # or a pair
            max_pool_connections=connections,
            # Headers and body are two writes: without it the body waits 40 ms for their ACK.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],  # type: ignore[list-item]
        )

    def put(self, key: str, content: bytes | bytearray, headers: Mapping[str, str]) -> str:
        """Return the ETag, or nothing."""
        answer = self._answer("PUT", key, {**headers, **self._encrypted}, content)
        return str(answer.headers.get("ETag", "")) if answer else ""

    def get(self, key: str) -> tuple[HTTPResponse, int] | None:
        """Return the body, which the caller closes, and its length."""
        answer = self._answer("GET", key, {})
        return (answer.raw, int(answer.headers["Content-Length"])) if answer else None

    def _answer(
        self, method: str, key: str, headers: Mapping[str, str], content: bytes | bytearray = b""
    ) -> AWSResponse | None:
        """Return an answer that is good; of a GET, its body is not read yet."""
        url = self._base + quote(key, safe="/~")
        reading = method == "GET"
        request = AWSRequest(method, url, dict(headers), data=content, stream_output=reading)
        self._signer.add_auth(request)
        action, began = method.lower(), time.monotonic()
        try:
            answer = self._session.send(request.prepare())
        except (HTTPClientError, ConnectionError):
            metrics.STORE_ERRORS.labels(action).inc()
            return None
        metrics.STORE_SECONDS.labels(action).observe(time.monotonic() - began)
        if answer.status_code >= _SERVER_ERROR:
            metrics.STORE_ERRORS.labels(action).inc()
        if answer.status_code == _OK:
            return answer
        answer.raw.close()
        return None

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
