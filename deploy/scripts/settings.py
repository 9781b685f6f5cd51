"""Writes docs/reference/settings.md and .env.example from the settings classes of all services."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from inspect import get_annotations
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo

from docmill.ops.settings import PREFIX, Settings
from docmill_dispatcher.settings import DispatcherSettings
from docmill_ingest.settings import IngestSettings
from docmill_notifier.settings import NotifierSettings
from docmill_ocr.settings import OcrSettings
from docmill_scheduler.settings import SchedulerSettings
from docmill_thumbnailer.settings import ThumbnailerSettings
from docmill_validator.settings import ValidatorSettings

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "reference" / "settings.md"
EXAMPLE: Final = ROOT / ".env.example"
SERVICES: Final[dict[str, type[Settings]]] = {
    "ingest": IngestSettings,
    "dispatcher": DispatcherSettings,
    "validator": ValidatorSettings,
    "ocr": OcrSettings,
    "thumbnailer": ThumbnailerSettings,
    "notifier": NotifierSettings,
    "scheduler": SchedulerSettings,
}
HEAD: Final = """# Settings

Generated from the settings classes. A service reads its settings from its environment, once, at its
start; with one that is missing or not valid it does not start and names each fault. Durations are
numbers of seconds. **Required** ones have no default; secrets never appear in a log.
"""


@dataclass(frozen=True)
class Section:
    """The settings that one class declares, and who reads them."""

    title: str
    meaning: str
    readers: tuple[str, ...]
    fields: dict[str, FieldInfo]


def sections() -> Iterator[Section]:
    """Return every class once, the general ones first."""
    classes = {
        each: None
        for made in SERVICES.values()
        for each in reversed(made.__mro__)
        if issubclass(each, Settings)
    }
    for each in sorted(classes, key=lambda found: -len(_readers(found))):
        own = {name: each.model_fields[name] for name in each.model_fields if name in _named(each)}
        if own:
            meaning = (each.__doc__ or "").strip().splitlines()[0]
            yield Section(_title(each), meaning, _readers(each), own)


def page() -> str:
    """Return the reference."""
    return HEAD + "".join(_rendered(section) for section in sections())


def example() -> str:
    """Return a file that sets everything to its default, as comments."""
    parts = ["# Generated from the settings classes; see docs/reference/settings.md.\n"]
    for section in sections():
        parts.append(f"\n# ── {section.title} ({', '.join(section.readers)})\n")
        parts += [_line(name, field) for name, field in section.fields.items()]
    return "".join(parts)


def _named(found: type[Settings]) -> set[str]:
    return set(get_annotations(found))


def _readers(found: type[Settings]) -> tuple[str, ...]:
    return tuple(name for name, made in SERVICES.items() if issubclass(made, found))


def _title(found: type[Settings]) -> str:
    return "Every service" if found is Settings else found.__name__.removesuffix("Settings")


def _rendered(section: Section) -> str:
    rows = "".join(
        f"| `{PREFIX}{name.upper()}` | {_shown(field)} | {field.description or ''}"
        f"{' Secret.' if not field.repr else ''} |\n"
        for name, field in section.fields.items()
    )
    return (
        f"\n## {section.title}\n\n{section.meaning} Read by: {', '.join(section.readers)}.\n\n"
        f"| variable | default | meaning |\n|---|---|---|\n{rows}"
    )


def _shown(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    if field.default_factory is not None:
        return "of the machine"
    text = _text(field.default)
    return f"`{text}`" if text else "empty"


def _line(name: str, field: FieldInfo) -> str:
    variable = PREFIX + name.upper()
    if field.is_required():
        return f"# {field.description}\n{variable}=\n"
    default = "" if field.default_factory is not None else _text(field.default)
    return f"# {field.description}\n# {variable}={default}\n"


def _text(value: Any) -> str:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():g}"
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def main() -> None:
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())
    EXAMPLE.write_text(example())


if __name__ == "__main__":
    main()
