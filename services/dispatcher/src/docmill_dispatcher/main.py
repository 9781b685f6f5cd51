"""The dispatcher's process."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from docmill.adapters.postgres.bell import READY
from docmill.adapters.postgres.database import Database
from docmill.adapters.postgres.dispatch import PostgresDispatch
from docmill.adapters.postgres.listener import Listener
from docmill.adapters.postgres.pool import open_pool
from docmill.adapters.postgres.schema import await_schema
from docmill.adapters.rabbitmq.publisher import RabbitPublisher
from docmill.ops.health import HealthServer, Probe, Unwell, serving
from docmill.ops.logging import logger
from docmill.ops.signals import heard
from docmill.ops.startup import start
from docmill_dispatcher.loop import Loop
from docmill_dispatcher.settings import DispatcherSettings
from docmill_dispatcher.tick import Grace, Tick

log = logger(__name__)


@contextmanager
def dispatcher(settings: DispatcherSettings) -> Iterator[Loop]:
    """Put the service together; leaving the block closes what it opened."""
    with ExitStack() as stack:
        pool = stack.enter_context(open_pool(settings, name="docmill-dispatcher"))
        database = Database(pool)
        stack.callback(database.bell.close)
        ledger = PostgresDispatch(
            database,
            tick=settings.tick_seconds,
            rehint=settings.rehint_seconds,
        )
        publisher = RabbitPublisher(settings)
        loop = Loop(
            Tick(ledger, publisher, Grace(settings.lease_seconds)),
            ledger,
            interval=settings.tick_seconds,
            sweep=settings.sweep_seconds,
        )
        publisher.on_connected(loop.forget_hints)
        listener = Listener(
            settings.database_url, [READY], lambda *_: loop.wake(), name="docmill-dispatcher"
        )
        publisher.start()
        stack.callback(publisher.close)
        listener.start()
        stack.callback(listener.close)
        stack.enter_context(serving(_health(settings, loop, database, publisher, listener)))
        yield loop


def _health(
    settings: DispatcherSettings,
    loop: Loop,
    database: Database,
    publisher: RabbitPublisher,
    listener: Listener,
) -> HealthServer:
    def threads() -> None:
        if not (publisher.alive and listener.alive):
            raise Unwell("a thread ended", publisher=publisher.alive, listener=listener.alive)

    def broker() -> None:
        if not publisher.ready:
            raise Unwell("RabbitMQ is not connected")
        if publisher.blocked:
            raise Unwell("RabbitMQ takes no hints: it has raised an alarm")

    return HealthServer(
        "dispatcher",
        settings.health_host,
        settings.health_port,
        live=[loop.pulse.probe, Probe(name="threads", ask=threads)],
        ready=[
            Probe(name="postgresql", ask=database.health),
            Probe(name="rabbitmq", ask=broker, critical=False),
        ],
    )


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    settings = start("dispatcher", DispatcherSettings, os.environ)
    await_schema("dispatcher", settings)
    with dispatcher(settings) as loop, heard(loop.stop):
        log.info("started")
        loop.run()
    log.info("stopped")


if __name__ == "__main__":
    main()
