"""What a worker process finds out about itself, and what it says of its sandbox."""

from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client import REGISTRY

from docmill.domain.task import Pool
from docmill.ops.health import Unwell
from docmill.work import host


def thread(name: str, *, alive: bool = True, connected: bool = True) -> Any:
    connection = SimpleNamespace(is_open=connected)
    consumer = SimpleNamespace(connection=connection)
    return SimpleNamespace(name=name, is_alive=lambda: alive, consumer=consumer)


def worker(*threads: Any, consumer: Any) -> Any:
    return SimpleNamespace(workers=threads, consumers={"ocr": consumer})


@pytest.mark.parametrize(
    ("alive", "watched", "dead"),
    [(True, True, None), (False, True, ["slot"]), (True, False, [])],
    ids=["all live", "a thread ended", "nobody watches the leases"],
)
def test_a_worker_whose_threads_ended_is_not_live(
    alive: bool, watched: bool, dead: list[str] | None
) -> None:
    asked = worker(thread("slot", alive=alive), consumer=thread("consumer"))
    supervisor: Any = SimpleNamespace(alive=watched)
    if dead is None:
        assert host._ask_threads(asked, supervisor) == {"threads": 2}
        return
    with pytest.raises(Unwell) as ill:
        host._ask_threads(asked, supervisor)
    assert ill.value.facts == {"dead": dead, "supervisor": watched}


def test_a_worker_without_rabbitmq_is_not_ready() -> None:
    host._ask_consumers(worker(consumer=thread("consumer")))
    with pytest.raises(Unwell, match="RabbitMQ"):
        host._ask_consumers(worker(consumer=thread("consumer", connected=False)))


def test_what_the_platform_cannot_protect_is_named_wherever_one_looks() -> None:
    settings: Any = SimpleNamespace(slots=2)
    identity = host.Identity(Pool.OCR, settings)
    for lacking in ([], ["network"], ["network", "landlock"]):
        identity.lacks(lacking)
    assert identity.facts["sandbox"] == {"missing": ["landlock", "network"]}
    gauge = "docmill_sandbox_missing"
    assert REGISTRY.get_sample_value(gauge, {"protection": "network"}) == 1
    host.Identity(Pool.OCR, settings)
    assert REGISTRY.get_sample_value(gauge, {"protection": "network"}) == 0
