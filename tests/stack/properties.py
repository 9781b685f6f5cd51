"""How often a property is tried on real servers."""

from typing import Final

from hypothesis import HealthCheck, Phase, settings

_PHASES: Final = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking takes minutes here


def tried(times: int) -> settings:
    """So many draws, as long as they take; each makes what it needs of a fixture anew."""
    return settings(
        max_examples=times,
        deadline=None,
        phases=_PHASES,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
