"""This release's schema under the services of the release before, and both side by side."""

from contextlib import ExitStack

import pytest

from deploy.local.service import NAMES
from tests.chaos.trial import Trial, scenario
from tests.stack.previous import Previous
from tests.stack.setting import with_settings


@pytest.mark.slow
@pytest.mark.timeout(900)
@scenario(
    "versions_mixed",
    fault="every service runs the code of the release before, on this release's schema; one after"
    " the other is replaced in the middle of work",
    load="4 dense one-page scans before each replacement",
    within=120,
)
def test_each_service_is_replaced_by_the_next_release_under_load(trial: Trial) -> None:
    previous = Previous(trial.stack.root / "previous")
    documents: list[str] = []
    with ExitStack() as before:
        replaced = [
            before.enter_context(ExitStack()) for _ in NAMES
        ]  # each is closed by itself, which brings this release's service back
        for name, service in zip(NAMES, replaced, strict=True):
            old = previous.command(name)
            service.enter_context(with_settings(trial.stack.services[name], {}, old))
        for service in replaced:
            documents += trial.upload(4, characters=1800)
            trial.until_running()
            trial.struck(trial.inspect.running())
            service.close()
    trial.stack.wait_ready()
    trial.mended()
    trial.all_ready(documents)
    trial.spent_nothing()
