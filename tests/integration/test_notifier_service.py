import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from docmill.domain.task import Pool
from docmill_dispatcher.main import dispatcher
from docmill_dispatcher.settings import DispatcherSettings
from tests.stack.ledger import TENANT, Desk, desk, product
from tests.stack.receiver import answering, receiving
from tests.stack.wait import until

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def settled_with_endpoint(ledger: Desk, port: int) -> UUID:
    """A ready document whose notify task waits for the notifier."""
    ledger.do(
        "INSERT INTO endpoint (tenant_id, url, secret) VALUES (%(tenant)s, %(url)s, %(secret)s)",
        {"tenant": TENANT, "url": f"http://127.0.0.1:{port}/", "secret": SECRET},
    )
    document = ledger.accept().document
    while claims := ledger.claims(Pool.VALIDATOR, Pool.OCR, Pool.THUMBNAILER):
        for claim in claims:
            ledger.ledger.commit(claim, product(claim))
    return document


@contextmanager
def dispatching(database_url: str, rabbitmq_url: str) -> Iterator[None]:
    settings = DispatcherSettings(
        database_url=database_url,
        rabbitmq_url=rabbitmq_url,
        health_host="127.0.0.1",
        health_port=0,
    )
    with dispatcher(settings) as loop:
        running = threading.Thread(target=loop.run)
        running.start()
        yield
        loop.stop()
        running.join(10)


def start(database_url: str, rabbitmq_url: str) -> subprocess.Popen[str]:
    environment = {
        "DOCMILL_DATABASE_URL": database_url,
        "DOCMILL_RABBITMQ_URL": rabbitmq_url,
        "DOCMILL_HEALTH_HOST": "127.0.0.1",
        "DOCMILL_HEALTH_PORT": "0",
        "DOCMILL_WEBHOOK_ALLOW_HTTP": "true",
        "DOCMILL_WEBHOOK_ALLOW_PRIVATE": "true",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "docmill_notifier.main"],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_process_delivers_what_the_dispatcher_hints_and_leaves_cleanly(
    database_url: str, rabbitmq_url: str
) -> None:
    with desk(database_url) as ledger, receiving(answering(204)) as receiver:
        document = settled_with_endpoint(ledger, receiver.port)
        with (
            dispatching(database_url, rabbitmq_url),
            start(database_url, rabbitmq_url) as process,
        ):
            until(lambda: ledger.do("SELECT 1 FROM task WHERE stage = 'notify' AND state = 'done'"))
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
        assert ledger.do("SELECT delivered_at FROM delivery")[0]["delivered_at"] is not None
    lines = [json.loads(line) for line in out.splitlines()]
    delivered = next(line for line in lines if line["event"] == "webhook_delivered")
    assert delivered["tenant"] == TENANT
    assert lines[-1]["event"] == "stopped"
    assert (process.returncode, err) == (0, "")
    assert [json.loads(body)["data"]["document"] for _, body in receiver.got] == [str(document)]
