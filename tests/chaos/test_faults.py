"""Each fault hits work in flight; afterwards every accepted document is ready, exactly once."""

import signal
from contextlib import ExitStack

from docmill.domain.task import Pool
from tests.chaos.trial import Trial, scenario
from tests.stack.faults.flight import running
from tests.stack.hints import published, repeated, undecodable
from tests.stack.proxy import proxied
from tests.stack.wait import until
from tests.stack.whole import QUICK_FAULTS

DRAIN = float(QUICK_FAULTS["DOCMILL_DRAIN_SECONDS"])
CLOSING = 5  # seconds to kill and release what is left, to close connections, and to be scheduled
OPEN = "SELECT count(*) FROM document WHERE state IN ('received', 'processing')"


@scenario(
    "crash_recovery",
    fault="kill -9 of an OCR worker in the middle of a page",
    load="6 one-page scans",
    smoke=True,
)
def test_a_worker_killed_in_the_middle_of_a_page(trial: Trial) -> None:
    documents = trial.upload(6)
    trial.until_running()
    trial.stack.services["ocr"].kill()
    trial.struck(trial.inspect.running())
    trial.stack.services["ocr"].start()
    trial.mended()
    trial.all_ready(documents)
    assert trial.figures.redone
    trial.spent_nothing()


@scenario(
    "dispatcher_killed_before_publish",
    fault="kill -9 of the dispatcher between commit and publish",
    load="5 one-page scans",
    smoke=True,
)
def test_a_dispatcher_killed_between_commit_and_publish(trial: Trial) -> None:
    stack, dispatcher = trial.stack, trial.stack.services["dispatcher"]
    with proxied(stack.rabbitmq.port) as proxy:
        dispatcher.terminate()
        dispatcher.settings = stack.environment() | {
            "DOCMILL_RABBITMQ_URL": stack.rabbitmq.url().replace(
                f":{stack.rabbitmq.port}", f":{proxy.port}"
            )
        }
        dispatcher.start()
        dispatcher.wait_ready()
        proxy.hold()
        documents = trial.upload(5)
        queued = "SELECT count(*) FROM task WHERE state = 'queued'"
        until(lambda: trial.inspect.count(queued))
        dispatcher.kill()
        proxy.cut()
    trial.struck(trial.inspect.count(queued))
    dispatcher.settings = stack.environment()
    dispatcher.start()
    trial.mended()
    trial.all_ready(documents)


@scenario(
    "hints_doubled_late_unknown",
    fault="every hint five times more, in order and against it, hints of unknown tasks, of other"
    " dispatches and of tasks long ended, bodies that nobody can read, actors that nobody has",
    load="4 one-page scans",
    smoke=True,
)
def test_hints_that_are_doubled_late_or_unknown(trial: Trial) -> None:
    documents = trial.upload(4)
    rows = trial.inspect.rows("SELECT id, dispatch, pool FROM task WHERE ended_at IS NULL")
    trial.struck(len(rows))
    hints = repeated((row["id"], row["dispatch"], row["pool"]) for row in rows)
    rubbish = [each for pool in Pool for each in undecodable(pool)]
    published(trial.stack.rabbitmq.url(), hints + rubbish + hints[::-1])
    trial.mended()
    trial.all_ready(documents)
    published(trial.stack.rabbitmq.url(), hints)  # as late as can be: their tasks have ended
    trial.all_ready(trial.upload(1))  # what came before it in the queues has been looked at
    trial.inspect.assert_each_ended_once(documents)
    trial.spent_nothing()


@scenario(
    "broker_wiped",
    fault="RabbitMQ killed and its data deleted; it comes back empty",
    load="50 one-page scans in flight",
    within=120,
    smoke=True,
)
def test_rabbitmq_stopped_and_wiped_with_fifty_documents_in_flight(trial: Trial) -> None:
    inspect, rabbitmq = trial.inspect, trial.stack.rabbitmq
    documents = trial.upload(50, characters=300)
    trial.until_running()
    rabbitmq.kill()
    trial.struck(inspect.count(OPEN))
    until(lambda: not inspect.running() and not inspect.running("validate"), within=60)
    assert inspect.count(OPEN), "nothing new is claimed without the broker"
    rabbitmq.wipe()
    rabbitmq.start()
    trial.mended()
    trial.all_ready(documents)
    trial.spent_nothing()


@scenario(
    "postgres_restart",
    fault="PostgreSQL stopped with -m immediate in the middle of commits",
    load="8 one-page scans",
    smoke=True,
)
def test_postgresql_restarted_at_once_in_the_middle(trial: Trial) -> None:
    documents = trial.upload(8)
    trial.until_running()
    trial.struck(running(trial.stack))
    trial.stack.postgres.stop("immediate")
    trial.stack.postgres.start()
    trial.stack.postgres.wait_ready(60)
    trial.mended()
    trial.all_ready(documents)
    trial.spent_nothing()


@scenario("s3_down", fault="S3 killed for 20 s", load="8 one-page scans", smoke=True)
def test_s3_down_for_twenty_seconds(trial: Trial) -> None:
    documents = trial.upload(8)
    trial.until_running()
    trial.stack.s3.kill()
    down = "SELECT count(*) FROM attempt WHERE outcome = 'dependency'"
    before = trial.inspect.count(down)
    trial.struck(until(lambda: trial.inspect.count(down) - before), "attempts")
    trial.inspect.passes(20)
    trial.stack.s3.start()
    trial.stack.s3.wait_ready(60)
    trial.mended()
    trial.all_ready(documents)
    trial.spent_nothing()


@scenario(
    "zombie_worker",
    fault="SIGSTOP of an OCR worker past its lease, then SIGCONT",
    load="6 dense one-page scans",
    smoke=True,
)
def test_a_worker_stopped_past_its_lease_and_continued(trial: Trial) -> None:
    documents = trial.upload(6, characters=2400)
    trial.until_running()
    ocr = trial.stack.services["ocr"]
    with ExitStack() as asleep:
        ocr.pause()
        asleep.callback(ocr.resume)
        trial.struck(trial.inspect.running())
        held = "SELECT count(*) FROM task WHERE stage = 'recognise' AND state = 'running'"
        until(lambda: not trial.inspect.count(held), within=60)
    trial.mended()
    trial.all_ready(documents)
    assert trial.figures.redone
    trial.spent_nothing()


@scenario(
    "drain", fault="SIGTERM of an OCR worker under load", load="6 dense one-page scans", smoke=True
)
def test_a_drain_spends_nothing(trial: Trial) -> None:
    documents = trial.upload(6, characters=2400)
    trial.until_running()
    ocr = trial.stack.services["ocr"]
    trial.struck(trial.inspect.running())
    ocr.process.send(signal.SIGTERM)
    until(lambda: not ocr.process.running, within=DRAIN + CLOSING)
    assert ocr.process.exit_code == 0
    ocr.start()
    trial.mended()
    trial.all_ready(documents)
    trial.spent_nothing()
