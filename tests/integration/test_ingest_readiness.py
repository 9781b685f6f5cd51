"""Readiness through a real outage: whoever is away for a moment costs no pod its rotation."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest

from docmill.adapters.postgres.tenants import Tenants
from docmill.domain.tenant import Limits, Scope, Tenant
from docmill.ops.settings import StoreSettings
from tests.stack.api import Server, server
from tests.stack.ledger import Desk, desk
from tests.stack.proxy import Proxy, proxied
from tests.stack.wait import until

BUSY = 'docmill_database_connections{state="used"} 1.0'


@dataclass(frozen=True, slots=True)
class Outage:
    """A service with one connection, and what stands between it and PostgreSQL."""

    service: Server
    proxy: Proxy


@pytest.fixture
def outage(database_url: str, blob_settings: StoreSettings) -> Iterator[Outage]:
    port = urlsplit(database_url).port
    assert port
    with proxied(port) as proxy:
        url = database_url.replace(f":{port}", f":{proxy.port}")
        with server(url, blob_settings, database_pool_size=1) as service:
            yield Outage(service, proxy)


@contextmanager
def occupied(service: Server, ledger: Desk) -> Iterator[None]:
    """Have a caller wait for a lock with the only connection, for the length of a block."""
    tenants = Tenants(ledger.database)
    tenants.add(Tenant(id="one", name="one", limits=Limits()))
    headers = {"Authorization": f"Bearer {tenants.add_key('one', Scope.DOCUMENTS).text}"}
    with ThreadPoolExecutor(1) as threads, ledger.database.pool.connection() as connection:
        connection.execute("LOCK TABLE document")
        threads.submit(httpx.get, f"{service.url}/v1/documents", headers=headers, timeout=60)
        until(lambda: BUSY in service.health("metrics").text)
        yield


@pytest.mark.parametrize("way", [Proxy.refusing, Proxy.holding], ids=["refuses", "hangs"])
def test_an_outage_shorter_than_the_patience_is_no_illness(
    outage: Outage, way: Callable[[Proxy], AbstractContextManager[None]]
) -> None:
    with way(outage.proxy):
        answers = [outage.service.health("readyz") for _ in range(3)]
    assert [each.status_code for each in answers] == [200] * 3
    shown = [each.json()["checks"]["postgresql"] for each in answers]
    assert all("silent_seconds" in each for each in shown), shown


def test_a_busy_pool_is_no_illness_either(outage: Outage, database_url: str) -> None:
    with desk(database_url) as ledger, occupied(outage.service, ledger):
        ready = outage.service.health("readyz")
    assert ready.status_code == 200
    assert "no connection became free" in ready.json()["checks"]["postgresql"]["detail"]
