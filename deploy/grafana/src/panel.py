"""What every dashboard is made of: panels with a unit, a description and the alert's threshold."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
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

Builder = timeseries.Panel | stat.Panel
B = TypeVar("B", timeseries.Panel, stat.Panel)
SOURCE: Final = DataSourceRef(type_val="prometheus", uid="$datasource")
OURS: Final = 'namespace=~"$namespace"'  # every selector of docmill's own metrics has it
_HEIGHT: Final = 8  # of the grid's units
_SPAN: Final = 8  # three panels to a row of 24


class Unit(StrEnum):
    """Grafana's names of the units we use."""

    BYTES = "bytes"
    BYTES_PER_SECOND = "Bps"
    CORES = "cores"
    COUNT = "short"
    PER_SECOND = "cps"
    SECONDS = "s"
    SHARE = "percentunit"
    TIME = "dateTimeFromNow"


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
    panel.legend(legend.placement(LegendPlacement.BOTTOM).show_legend(True))
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
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )
    for row, panels in rows.items():
        made.with_row(dashboard.Row(row))
        for panel in panels:
            made.with_panel(panel)
    return made


def _namespaces() -> dashboard.QueryVariable:
    return (
        dashboard
        .QueryVariable("namespace")
        .query("label_values(docmill_build_info, namespace)")
        .datasource(SOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .all_value(".*")
        .multi(False)
    )


def _described(
    panel: B, title: str, text: str, unit: Unit, queries: Sequence[Query], alert: str | None
) -> B:
    panel.title(title).unit(unit).datasource(SOURCE).height(_HEIGHT).span(_SPAN)
    panel.description(f"{text} Alert: {alert}." if alert else text)
    panel.thresholds(_thresholds(alert))
    for query in queries:
        panel.with_target(prometheus.Dataquery().expr(query.expr).legend_format(query.legend))
    return panel


def _thresholds(alert: str | None) -> dashboard.ThresholdsConfig:
    steps = [Threshold(value=None, color="green")]
    if alert:
        steps.append(Threshold(value=alerts()[alert].limit, color="red"))
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
