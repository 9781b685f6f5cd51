"""What all services together take of PostgreSQL's connections."""

from typing import Final

import yaml

from deploy.scripts.settings import ROOT, SERVICES

LISTENERS: Final = {"ingest": 1, "dispatcher": 1}  # beside the pool, for LISTEN
USABLE: Final = 97  # of PostgreSQL's usual 100, of which three are its superuser's


def test_as_the_chart_installs_them_all_services_stay_below_postgresqls_usual_limit() -> None:
    values = yaml.safe_load((ROOT / "k8s" / "docmill" / "values.yaml").read_text())
    most = {
        name: values[name]["replicas"]
        * (settings.model_fields["database_pool_size"].default + LISTENERS.get(name, 0))
        for name, settings in SERVICES.items()
    }
    assert sum(most.values()) < USABLE, most
