from collections import Counter, deque

from hypothesis import given
from hypothesis import strategies as st

from docmill.domain.fairness import Candidate, Line, pick, window


def line(tenant: str, tasks: int, *, weight: float = 1, vtime: float = 0, first: int = 0) -> Line:
    return Line(tenant, vtime, weight, deque(Candidate(first + n, 1) for n in range(tasks)))


def served(lines: list[Line], free: int) -> Counter[str]:
    owner = {task.task: each.tenant for each in lines for task in each.tasks}
    return Counter(owner[task] for task in pick(lines, free=free, clock=0).tasks)


def test_equal_tenants_share_equally() -> None:
    assert served([line("a", 100), line("b", 100, first=100)], 10) == {"a": 5, "b": 5}


def test_a_weight_of_three_gets_three_times_as_much() -> None:
    lines = [line("a", 100, weight=3), line("b", 100, first=100)]
    assert served(lines, 40) == {"a": 30, "b": 10}


def test_the_lowest_virtual_time_goes_first() -> None:
    lines = [line("late", 1, vtime=5), line("early", 1, vtime=1, first=1)]
    assert pick(lines, free=2, clock=0).tasks == [1, 0]


def test_a_tenants_own_order_is_kept() -> None:
    assert pick([line("a", 5)], free=5, clock=0).tasks == [0, 1, 2, 3, 4]


def test_the_clock_is_the_start_tag_of_the_last_pick() -> None:
    picked = pick([line("a", 3, vtime=7)], free=2, clock=0)
    assert (picked.clock, picked.vtimes) == (8, {"a": 9})


@given(
    st.lists(st.tuples(st.integers(0, 20), st.floats(0.1, 10), st.floats(0, 100)), max_size=8),
    st.integers(0, 50),
    st.floats(0, 100),
)
def test_a_pick_fills_the_window_once_each_and_time_never_runs_back(
    tenants: list[tuple[int, float, float]], free: int, clock: float
) -> None:
    lines = [
        line(str(index), tasks, weight=weight, vtime=vtime, first=1000 * index)
        for index, (tasks, weight, vtime) in enumerate(tenants)
    ]
    waiting = sum(tasks for tasks, _, _ in tenants)
    before = {each.tenant: each.vtime for each in lines}
    picked = pick(lines, free=free, clock=clock)
    assert len(picked.tasks) == len(set(picked.tasks)) == min(free, waiting)
    assert picked.clock >= clock
    assert all(vtime > before[tenant] for tenant, vtime in picked.vtimes.items())


@given(st.integers(1, 500), st.floats(0.01, 1), st.floats(0, 600))
def test_beside_one_a_slot_the_window_is_what_two_ticks_finish(
    slots: int, tick: float, task: float
) -> None:
    spare = window(slots, tick_seconds=tick, task_seconds=task) - slots
    assert min(slots, 2) <= spare <= 15 * slots
    assert spare in {min(slots, 2), 15 * slots} or 0 <= spare - 2 * slots * tick / task < 1


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 6)),
    st.lists(st.lists(st.sets(st.sampled_from("abc")), max_size=10), max_size=4),
    st.integers(0, 40),
)
def test_no_bucket_gives_more_than_it_holds(
    tokens: dict[str, int], tenants: list[list[set[str]]], free: int
) -> None:
    wanted = {
        1000 * index + number: buckets
        for index, tasks in enumerate(tenants)
        for number, buckets in enumerate(tasks)
    }
    lines = [
        Line(
            str(index),
            0,
            1,
            deque(Candidate(1000 * index + n, 1, tuple(b)) for n, b in enumerate(tasks)),
        )
        for index, tasks in enumerate(tenants)
    ]
    picked = pick(lines, free=free, clock=0, tokens=tokens)
    spent = Counter(bucket for task in picked.tasks for bucket in wanted[task])
    assert all(spent[bucket] <= tokens.get(bucket, 0) for bucket in spent)
    if len(picked.tasks) < free:  # nobody was passed over without need
        left = {bucket: tokens.get(bucket, 0) - spent[bucket] for bucket in "abc"}
        passed = [each for task, each in wanted.items() if task not in picked.tasks]
        assert all(any(left[bucket] <= 0 for bucket in each) for each in passed)
