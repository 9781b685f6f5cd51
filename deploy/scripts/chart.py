"""Writes what the chart repeats: copies of shared files, the names of settings, README.md.

helm reads nothing outside the chart, so that configuration which others use too is copied into
`files/`. `values.schema.json` is written by hand but for the settings each service knows.
"""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from deploy.scripts.settings import SERVICES
from docmill.ops.settings import PREFIX

ROOT: Final = Path(__file__).resolve().parents[2]
CHART: Final = ROOT / "k8s" / "docmill"
README: Final = CHART / "README.md"
SCHEMA: Final = CHART / "values.schema.json"
COPIES: Final = {
    "grafana/dashboards/*.json": "dashboards",
    "prometheus/rules/*.yaml": "rules",
    "postgresql/postgresql.conf": "postgresql",
    "rabbitmq/enabled_plugins": "rabbitmq",
    "rabbitmq/rabbitmq.conf": "rabbitmq",
    "seaweedfs/options": "seaweedfs",
}
# What the chart itself gives: whoever sets it too would break a probe, a route or a connection.
_GIVEN: Final = frozenset({
    "DOCMILL_HOST",
    "DOCMILL_PORT",
    "DOCMILL_HEALTH_HOST",
    "DOCMILL_HEALTH_PORT",
    "DOCMILL_RABBITMQ_CA_FILE",
})
_COMMENT: Final = re.compile(r" *# -- (.+)")
_MORE: Final = re.compile(r" *# (.+)")
_KEY: Final = re.compile(r"( *)(\w+):(.*)")
_HEAD: Final = """# The chart docmill

Generated from `values.yaml`; {description}
[Install it](../../docs/howto/install-on-kubernetes.md),
[upgrade it and roll it back](../../docs/howto/upgrade-and-roll-back.md),
[scale it](../../docs/howto/scale.md), [use managed stores](../../docs/howto/use-managed-stores.md).

Chart {version}, docmill {app}, Kubernetes {kubernetes}.

- The chart's version is semantic and its own: a major version removes or changes a value, a minor
  one adds one, a patch mends. `appVersion` is docmill's, and the tag of the images.
- `values.schema.json` refuses what is not listed here.

| value | default | meaning |
|---|---|---|
"""


_TAIL: Final = """
## Upgrade notes

What to know before an upgrade of the chart, by the version that it leads to. What docmill itself
asks for is in its [changelog](../../CHANGELOG.md).

- **0.1.0**: the first.
"""


def copies() -> dict[Path, Path]:
    """Return each copy in the chart with its source."""
    return {
        CHART / "files" / folder / source.name: source
        for pattern, folder in COPIES.items()
        for source in _sources(pattern)
    }


def _sources(pattern: str) -> list[Path]:
    """What there is to copy; raise FileNotFoundError when it was renamed or is gone."""
    if found := sorted((ROOT / "deploy").glob(pattern)):
        return found
    raise FileNotFoundError(f"deploy/{pattern}")


def readme() -> str:
    """Return README.md."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    head = _HEAD.format(
        description=chart["description"][0].lower() + chart["description"][1:],
        version=chart["version"],
        app=chart["appVersion"],
        kubernetes=chart["kubeVersion"].removesuffix("-0"),
    )
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    rows = (_row(path, about, values) for path, about in _documented(text))
    return head + "".join(rows) + _TAIL


def _documented(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each key with a `# --` comment above it, as its path."""
    path: list[str] = []
    about: list[str] = []
    for line in text.splitlines():
        if match := _COMMENT.fullmatch(line):
            about = [match[1]]
        elif about and (match := _MORE.fullmatch(line)):
            about.append(match[1])
        elif match := _KEY.fullmatch(line):
            path = [*path[: len(match[1]) // 2], match[2]]
            if about:
                yield tuple(path), " ".join(about)
            about = []


def _row(path: tuple[str, ...], about: str, values: Any) -> str:
    for name in path:
        values = values[name]
    whole = len(path) == 1 and values and isinstance(values, dict)
    default = "see values.yaml" if whole else f"`{json.dumps(values)}`"
    about = about.replace("|", "\\|")
    return f"| `{'.'.join(path)}` | {default} | {about} |\n"


def schema() -> str:
    """Return the schema with the settings of each service as its classes have them."""
    made: dict[str, Any] = json.loads(SCHEMA.read_text())
    known = {service: sorted(_variables(service)) for service in SERVICES}
    known["every"] = sorted({name for names in known.values() for name in names})
    for service, names in known.items():
        made["$defs"][f"settings-{service}"] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: {"$ref": "#/$defs/setting"} for name in names},
        }
    return json.dumps(made, indent=2) + "\n"


def _variables(service: str) -> Iterator[str]:
    for name, field in SERVICES[service].model_fields.items():
        if PREFIX + name.upper() not in _GIVEN and field.repr and not name.startswith("s3_"):
            yield PREFIX + name.upper()


def main() -> None:
    shutil.rmtree(CHART / "files" / "rules", ignore_errors=True)
    shutil.rmtree(CHART / "files" / "dashboards", ignore_errors=True)
    for copy, source in copies().items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes())
    SCHEMA.write_text(schema())
    README.write_text(readme())


if __name__ == "__main__":
    main()
