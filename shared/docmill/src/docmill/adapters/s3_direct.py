"""The PUT of one small object without boto3: the same request at a fraction of the cost.

What boto3 does for each call (its models, its rules of endpoints, its hooks, a round trip for
`Expect`) took more of ingest's processor than all else of an upload.
"""

import socket
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ConnectionError, HTTPClientError  # noqa: A004 - botocore's own
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

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


class DirectPut:
    """Puts objects over kept connections. Safe from any thread."""

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

    def __call__(self, key: str, content: bytes | bytearray, headers: Mapping[str, str]) -> str:
        """Return the ETag; empty where the answer was none or unusual: boto3 then tries anew."""
        url = self._base + quote(key, safe="/~")
        request = AWSRequest("PUT", url, {**headers, **self._encrypted}, data=content)
        self._signer.add_auth(request)
        began = time.monotonic()
        try:
            answer = self._session.send(request.prepare())
        except (HTTPClientError, ConnectionError):
            metrics.STORE_ERRORS.labels("put").inc()
            return ""
        metrics.STORE_SECONDS.labels("put").observe(time.monotonic() - began)
        if answer.status_code >= _SERVER_ERROR:
            metrics.STORE_ERRORS.labels("put").inc()
        return str(answer.headers.get("ETag", "")) if answer.status_code == _OK else ""

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
