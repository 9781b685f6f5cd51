"""A service that runs in another way for a while."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from deploy.local.service import Service


@contextmanager
def with_settings(
    service: Service, settings: Mapping[str, str], command: Sequence[str] = ()
) -> Iterator[None]:
    """Restart a service with more settings, and another program if one is given; then as before."""
    before = service.settings, service.command
    service.terminate()
    service.settings = {**service.settings, **settings}
    service.command = list(command) or service.command
    service.start()
    service.wait_ready()
    try:
        yield
    finally:
        service.terminate()
        service.settings, service.command = before
        service.start()
