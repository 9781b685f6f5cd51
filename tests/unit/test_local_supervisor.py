"""When the supervisor starts a crashed service again."""

from deploy.local.supervisor import LONGEST_PAUSE, STEADY_SECONDS, Watch


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Sick:
    """A service that is dead unless it was just started, and counts."""

    name = "sick"
    starts = 0
    running = False
    exit_code = 1

    @property
    def process(self) -> "Sick":
        return self

    def start(self) -> None:
        self.starts += 1


def watched() -> tuple[Watch, Sick, Clock]:
    clock, service = Clock(), Sick()
    return Watch(service, clock=clock), service, clock


def after(watch: Watch, clock: Clock, seconds: float) -> list[str]:
    told: list[str] = []
    clock.now += seconds
    watch.turn(told.append)
    return told


def test_a_crash_is_told_once_and_mended_after_a_pause() -> None:
    watch, service, clock = watched()
    assert after(watch, clock, 0) == ["sick ended with 1; again in 0.5 s"]
    assert after(watch, clock, 0.4) == []
    assert service.starts == 0
    after(watch, clock, 0.2)
    assert service.starts == 1


def test_pauses_grow_up_to_a_limit() -> None:
    watch, _, clock = watched()
    for _ in range(20):
        after(watch, clock, LONGEST_PAUSE)
    assert watch.pause == LONGEST_PAUSE


def test_who_ran_long_begins_with_the_shortest_pause() -> None:
    watch, service, clock = watched()
    watch.pause = LONGEST_PAUSE
    service.running = True
    after(watch, clock, STEADY_SECONDS + 1)
    service.running = False
    assert after(watch, clock, 0) == ["sick ended with 1; again in 0.5 s"]
