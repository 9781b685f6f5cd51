"""What every dashboard is made of: panels with a unit, a description and the alert's threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from string import ascii_uppercase
from typing import Final, TypeVar

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.common import GraphThresholdsStyleConfig, VizLegendOptions
from grafana_foundation_sdk.models.common import (
    DataSourceRef,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

from deploy.grafana.src.rule import alerts
from deploy.grafana.src.term import Unit

Builder = timeseries.Panel | stat.Panel
B = TypeVar("B", timeseries.Panel, stat.Panel)
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="$datasource")
_HEIGHT: Final = 8  # of the grid's units
_SPAN: Final = 8  # three panels to a row of 24


@dataclass(frozen=True, slots=True)
class Query:
    """An expression and how its series are called."""

    expr: str
    legend: str


def graph(
    title: str,
    description: str,
    unit: Unit,
    *queries: Query,
    alert: str | None = None,
    cluster_only: bool = False,
) -> timeseries.Panel:
    """Draw series over time; the line of `alert` is drawn where it fires."""
    panel = timeseries.Panel().line_width(1).fill_opacity(8).min(0)
    legend = VizLegendOptions().display_mode(LegendDisplayMode.LIST)
    panel.legend(legend.placement(LegendPlacement.BOTTOM).show_legend(show_legend=True))
    if alert:
        panel.thresholds_style(GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    text = f"{description} Empty outside Kubernetes." if cluster_only else description
    return _described(panel, title, text, unit, queries, alert)


def figure(
    title: str, description: str, unit: Unit, query: Query, *, alert: str | None = None
) -> stat.Panel:
    """Show the present value, red where `alert` fires."""
    return _described(stat.Panel(), title, description, unit, [query], alert)


def board(
    name: str, title: str, description: str, rows: dict[str, Sequence[Builder]]
) -> dashboard.Dashboard:
    """Put the rows of panels together under a uid that stays."""
    made = (
        dashboard
        .Dashboard(f"docmill: {title}")
        .uid(f"docmill-{name}")
        .description(description)
        .tags(["docmill"])
        .readonly()
        .refresh("30s")
        .time("now-3h", "now")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("datasource").type("prometheus"))
        .with_variable(_namespaces())
        .link(
            dashboard
            .DashboardLink("docmill")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["docmill"])
            .as_dropdown(as_dropdown=True)
            .include_vars(include_vars=True)
            .keep_time(keep_time=True)
        )
    )
    numbers = count(1)
    for row, panels in rows.items():
        made.with_row(dashboard.Row(row).id(next(numbers)))
        for panel in panels:
            made.with_panel(panel.id(next(numbers)))
    return made


def _namespaces() -> dashboard.QueryVariable:
    return (
        dashboard
        .QueryVariable("namespace")
        .query("label_values(docmill_build_info, namespace)")
        .datasource(SOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(include_all=True)
        .all_value(".*")
        .multi(multi=False)
    )


def _described(
    panel: B, title: str, text: str, unit: Unit, queries: Sequence[Query], alert: str | None
) -> B:
    panel.title(title).unit(unit).datasource(SOURCE).height(_HEIGHT).span(_SPAN)
    panel.description(f"{text} Alert: {alert}." if alert else text)
    panel.thresholds(_thresholds(alert))
    for name, query in zip(ascii_uppercase, queries, strict=False):
        asked = prometheus.Dataquery().ref_id(name).expr(query.expr)
        panel.with_target(asked.legend_format(query.legend))
    return panel


def _thresholds(alert: str | None) -> dashboard.ThresholdsConfig:
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(_steps(alert))


def _steps(alert: str | None) -> list[Threshold]:
    """Grafana colours from the value on, where alerts fire above it: over 0 is from 1 on."""
    if alert is None:
        return [Threshold(value=None, color="green")]
    rule = alerts()[alert]
    calm, loud = ("red", "green") if rule.below else ("green", "red")
    return [Threshold(value=None, color=calm), Threshold(value=rule.limit or 1, color=loud)]
