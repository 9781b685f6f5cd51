"""The connections of webhooks: only to an address that was checked, and never for too long."""

import time
from collections.abc import Iterable
from ssl import SSLContext
from typing import Any

import httpcore

from docmill_notifier.address import Resolve, permitted, resolve


class Guarded(httpcore.NetworkBackend):
    """Resolves a name once, checks every address, and connects to the checked one.

    The name stays the one that TLS verifies. All of a connection's reads and writes together have
    `total` seconds: time-outs per read alone would let a peer that drips bytes hold us for ever.
    """

    def __init__(self, *, total: float, private: bool, resolve: Resolve = resolve) -> None:
        self._total = total
        self._private = private
        self._resolve = resolve
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the host's checked address; raise AddressForbidden."""
        deadline = time.monotonic() + self._total
        address = permitted(host, self._resolve(host, port), private=self._private)
        stream = self._inner.connect_tcp(str(address), port, timeout, local_address, socket_options)
        return _Bounded(stream, deadline)


class _Bounded(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._left(timeout, httpcore.ConnectTimeout)
        return _Bounded(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def _left(self, timeout: float | None, error: type[httpcore.TimeoutException]) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise error("the request took too long as a whole")
        return left if timeout is None else min(timeout, left)
