from deploy.release.preflight import _needed
from deploy.release.watch import Tally


def samples(good: float, bad: float) -> dict[str, float]:
    return {
        'docmill_http_requests_total{method="GET",route="/v1",status="200"}': good,
        'docmill_http_requests_total{method="GET",route="/v1",status="503"}': bad,
        "docmill_http_waiting": 7,
    }


def test_only_what_came_since_the_watch_began_counts() -> None:
    tally = Tally()
    tally.add("a", samples(1000, 500))
    assert (tally.requests, tally.errors) == (0, 0)
    tally.add("a", samples(1080, 520))
    assert (tally.requests, tally.errors, tally.share) == (100, 20, 0.2)


def test_pods_are_counted_each_by_itself() -> None:
    tally = Tally()
    for pod in ("a", "b"):
        tally.add(pod, samples(10, 0))
        tally.add(pod, samples(20, 5))
    assert (tally.requests, tally.errors) == (30, 10)


def test_a_share_of_few_requests_says_nothing() -> None:
    tally = Tally()
    tally.add("a", samples(0, 0))
    tally.add("a", samples(0, 19))
    assert tally.share == 0


def test_secrets_are_needed_that_the_chart_does_not_bring() -> None:
    reference = "valueFrom: {secretKeyRef: {name: %s, key: %s}}\n"
    brought = "kind: Secret\nmetadata:\n  name: own\n"
    made = brought + reference % ("own", "a") + reference % ("theirs", "b")
    assert _needed(made + reference % ("theirs", "c")) == {"theirs": {"b", "c"}}
