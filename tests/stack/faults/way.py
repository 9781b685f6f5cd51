"""Ways between the services and the servers on which nothing, or not everything, passes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from random import Random
from typing import Final

from tests.stack.faults.fault import Fault, Toll
from tests.stack.proxy import cutting
from tests.stack.routed import Routed

SERVERS: Final = ("rabbitmq", "postgres", "seaweedfs")
DIRECTIONS: Final = {
    "the_way_to": {"requests": True, "answers": True},
    "requests_to": {"requests": True, "answers": False},
    "answers_of": {"requests": False, "answers": True},
}


def black_hole(server: str, direction: str) -> Fault:
    """Make the fault that nothing passes in a direction while the connections stay up."""

    @contextmanager
    def hold(stack: Routed, draw: Random) -> Iterator[Toll]:
        way, toll = stack.routes[server], Toll("chunks")
        with way.counting(toll.add), way.holding(**DIRECTIONS[direction]):
            yield toll

    hold.__name__ = f"{direction}_{server}_black_holed"
    hold.__doc__ = f"Nothing passes on {direction.replace('_', ' ')} {server}; connections stay up."
    return hold


@contextmanager
def servers_unreachable(stack: Routed, draw: Random) -> Iterator[Toll]:
    """Every connection to every server breaks and no new one is taken."""
    toll = Toll("connections")
    with ExitStack() as broken:
        for route in stack.routes.values():
            broken.enter_context(route.counting(toll.add))
            broken.enter_context(route.refusing())
        yield toll


@contextmanager
def half_of_all_calls_failing(stack: Routed, draw: Random) -> Iterator[Toll]:
    """Half of what is said to PostgreSQL and to S3 breaks the connection it is said on."""
    toll = Toll("calls")
    with ExitStack() as broken:
        for route in (stack.routes["postgres"], stack.routes["seaweedfs"]):
            broken.enter_context(route.counting(toll.add))
            broken.enter_context(route.spoiling(cutting(0.5, draw)))
        yield toll


FAULTS: Final[tuple[Fault, ...]] = (
    *(black_hole(server, direction) for server in SERVERS for direction in DIRECTIONS),
    servers_unreachable,
    half_of_all_calls_failing,
)
