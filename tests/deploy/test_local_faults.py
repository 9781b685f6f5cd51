"""What the chaos tests lean on: servers that die, lose their data, and come back."""

import socket
from collections.abc import Iterator
from shutil import rmtree
from uuid import uuid4

import httpx
import psutil
import psycopg
import pytest

from deploy.local.ports import Ports
from deploy.local.rabbitmq import RabbitMQ
from deploy.local.run_tests import ROOT
from deploy.local.server import NotReadyError, Server
from deploy.local.servers import Servers

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    # Not pytest's own folder: PostgreSQL runs as another user than root and must reach it.
    root = (ROOT / ".local" / "test" / "stacks" / uuid4().hex[:8]).resolve()
    servers = Servers(root)
    servers.start()
    yield servers
    for server in servers.all:
        server.kill()
    rmtree(root, ignore_errors=True)


def test_what_postgres_committed_survives_an_immediate_stop(servers: Servers) -> None:
    with psycopg.connect(servers.postgres.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    servers.postgres.stop("immediate")
    servers.postgres.start()
    servers.postgres.wait_ready()
    with psycopg.connect(servers.postgres.url()) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_what_postgres_committed_survives_a_kill(servers: Servers) -> None:
    with psycopg.connect(servers.postgres.url()) as connection:
        connection.execute("CREATE TABLE survived AS SELECT 1 AS one")
    servers.postgres.kill()
    servers.postgres.start()
    servers.postgres.wait_ready()
    with psycopg.connect(servers.postgres.url()) as connection:
        assert connection.execute("SELECT one FROM survived").fetchone() == (1,)


def test_what_s3_answered_survives_a_kill(servers: Servers) -> None:
    servers.s3.ensure_bucket("kept")
    servers.s3.client.put_object(Bucket="kept", Key="a", Body=b"bytes")
    servers.s3.kill()
    servers.s3.start()
    servers.s3.wait_ready()
    assert servers.s3.client.get_object(Bucket="kept", Key="a")["Body"].read() == b"bytes"


def test_a_wiped_rabbitmq_has_its_user_and_vhost_and_nothing_else(servers: Servers) -> None:
    queue = f"{servers.rabbitmq.api}/queues/docmill/lost"
    httpx.put(queue, json={"durable": True}).raise_for_status()
    servers.rabbitmq.kill()
    servers.rabbitmq.wipe()
    servers.rabbitmq.start()
    servers.rabbitmq.wait_ready()
    assert httpx.get(queue).status_code == httpx.codes.NOT_FOUND  # at the same address
    users = httpx.get(f"{servers.rabbitmq.api}/users").json()
    assert [user["name"] for user in users] == ["docmill"]


def test_a_rabbitmq_whose_port_another_has_is_never_ready(servers: Servers) -> None:
    root = servers.root / "robbed"
    ports = Ports(root / "run" / "ports.json", is_free=lambda _: True)
    with socket.create_server(("127.0.0.1", ports["amqp"])):
        robbed = RabbitMQ(root, ports)
        robbed.start()
        try:
            with pytest.raises(NotReadyError, match="eaddrinuse"):
                robbed.wait_ready()
        finally:
            robbed.kill()


def test_a_paused_server_is_not_ready_and_a_resumed_one_is(servers: Servers) -> None:
    servers.rabbitmq.pause()
    assert not servers.rabbitmq.is_ready()
    servers.rabbitmq.resume()
    servers.rabbitmq.wait_ready()


def test_servers_listen_on_loopback_alone(servers: Servers) -> None:
    listening = {
        connection.laddr.ip
        for server in servers.all
        for process in family(server)
        for connection in process.net_connections("inet")
        if connection.status == "LISTEN"
    }
    assert listening <= {"127.0.0.1"}


def family(server: Server) -> list[psutil.Process]:
    first = psutil.Process(server.process.pid)
    return [first, *first.children(recursive=True)]
