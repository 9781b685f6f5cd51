"""Behind proxies: whose word on the caller is taken, and that browsers shall use HTTPS only."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from werkzeug.middleware.proxy_fix import ProxyFix

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def behind(app: "WSGIApplication", *, proxies: int, hsts: timedelta) -> "WSGIApplication":
    """Take address and scheme from the last `proxies` of X-Forwarded-For and -Proto, if any."""
    strict = _Strict(app, f"max-age={hsts.total_seconds():.0f}") if hsts else app
    return ProxyFix(strict, x_for=proxies, x_proto=proxies) if proxies else strict


@dataclass(frozen=True, slots=True)
class _Strict:
    """Adds the header of RFC 6797, over HTTPS only."""

    app: "WSGIApplication"
    policy: str

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        if environ["wsgi.url_scheme"] != "https":
            return self.app(environ, start_response)

        def start(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], object]:
            told = [*headers, ("Strict-Transport-Security", self.policy)]
            return start_response(status, told, exc_info)

        return self.app(environ, start)
