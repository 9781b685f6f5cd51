"""Stock Dramatiq as its guide sets it up, with what it has for safety: confirms and retries."""

import os

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from loadtests.comparison.work import perform

# A publisher that RabbitMQ blocks gives up after this; six times, then the message is gone. The
# default is 30 s, which only makes the alarm longer that it takes to lose one.
BLOCKED_SECONDS = 2

broker = RabbitmqBroker(
    url=f"{os.environ['COMPARISON_BROKER_URL']}?blocked_connection_timeout={BLOCKED_SECONDS}",
    confirm_delivery=True,
)
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name="comparison", min_backoff=1_000)
def work(task: int) -> None:
    perform(task)
