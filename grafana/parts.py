"""Panels, targets and variables as all dashboards have them. Only what differs is said where a panel is made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as units
from grafana_foundation_sdk.models import dashboard
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue, Threshold
from grafana_foundation_sdk.models.prometheus import Dataquery, PromQueryFormat

from .promql import DISTRICTS, MONITOR, info
from .words import GREEN, ORANGE, RED

SOURCE = units.DataSourceRef(type_val="prometheus", uid="${datasource}")
POINTS = 120
"""The points of a curve that are asked for. More would cost Prometheus more than a person sees."""
ROWS = 100
"""The rows of a table that are asked for at most."""
TAG = "portwatch"
Steps = Sequence[tuple[float | None, str]]

NONE_IS_WELL: Steps = ((None, GREEN), (1, RED))
FEW_IS_WELL: Steps = ((None, GREEN), (1, ORANGE))
DAYS: Steps = ((None, RED), (14 * 86_400, ORANGE), (30 * 86_400, GREEN))
"""Left of a certificate's time: it is renewed 30 days before its end, and 14 days before its end it was not."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """How a table shows a field: its name, and what else differs from the table's own settings."""

    name: str
    unit: str | None = None
    mapping: dashboard.ValueMap | None = None
    thresholds: Steps | None = None
    link: tuple[str, str] | None = None
    """Title and address."""
    width: int | None = None
    hidden: bool = False
    filled: bool = False
    """The cell is filled with the value's colour."""
    none: str | None = None
    """What is shown where there is no value."""


@dataclass(frozen=True, slots=True)
class Ready(Builder[dashboard.Panel]):
    """A panel that is built already, as the dashboard's builder wants it."""

    panel: dashboard.Panel

    def build(self) -> dashboard.Panel:
        """Return it."""
        return self.panel


@dataclass(frozen=True, slots=True)
class Looks:
    """What every kind of panel can have."""

    width: int = 12
    height: int = 8
    unit: str = "short"
    decimals: int | None = None
    minimum: float | None = 0
    maximum: float | None = None
    thresholds: Steps = ((None, GREEN),)
    mappings: tuple[dashboard.ValueMap, ...] = ()
    colours: Mapping[str, str] = field(default_factory=dict)
    """The colour of a series by its name."""
    link: tuple[str, str] | None = None
    none: str | None = None


PLAIN = Looks()


def curves(title: str, says: str, queries: Sequence[Query], looks: Looks = PLAIN, *, stacked: bool = False) -> Ready:
    """Return a panel of curves over time."""
    builder = (
        timeseries.Panel()
        .line_width(1)
        .fill_opacity(60 if stacked else 10)
        .show_points(units.VisibilityMode.NEVER)
        .stacking(common.StackingConfig().mode(units.StackingMode.NORMAL if stacked else units.StackingMode.NONE))
        .tooltip(common.VizTooltipOptions().mode(units.TooltipDisplayMode.MULTI).sort(units.SortOrder.DESCENDING))
        .legend(
            common.VizLegendOptions()
            .display_mode(units.LegendDisplayMode.LIST)
            .placement(units.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
            .calcs([]),
        )
    )
    panel = _dressed(builder.build(), title, says, looks)
    panel.targets = [*_targets(queries)]
    panel.max_data_points = POINTS
    _defaults(panel).color = dashboard.FieldColor(mode=dashboard.FieldColorModeId.PALETTE_CLASSIC)
    return Ready(panel)


def figure(title: str, says: str, query: Query, looks: Looks = PLAIN, *, text: bool = False) -> Ready:
    """Return a panel of one number, or of one word that a label holds."""
    builder = (
        stat.Panel()
        .graph_mode(units.BigValueGraphMode.NONE)
        .color_mode(units.BigValueColorMode.VALUE)
        .text_mode(units.BigValueTextMode.NAME if text else units.BigValueTextMode.AUTO)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False))
    )
    panel = _dressed(builder.build(), title, says, looks)
    panel.targets = [*_targets([query], instant=True)]
    return Ready(panel)


def bars(title: str, says: str, queries: Sequence[Query], looks: Looks = PLAIN) -> Ready:
    """Return a panel of one bar a series, as of now."""
    builder = (
        bargauge.Panel()
        .display_mode(units.BarGaugeDisplayMode.BASIC)
        .orientation(units.VizOrientation.HORIZONTAL)
        .show_unfilled(show_unfilled=False)
        .value_mode(units.BarGaugeValueMode.TEXT)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False))
    )
    panel = _dressed(builder.build(), title, says, looks)
    panel.targets = [*_targets(queries, instant=True)]
    return Ready(panel)


def timeline(title: str, says: str, queries: Sequence[Query], looks: Looks = PLAIN) -> Ready:
    """Return a panel of one row a series, coloured by its value over time."""
    builder = (
        statetimeline.Panel()
        .merge_values(merge_values=True)
        .show_value(units.VisibilityMode.AUTO)
        .row_height(0.85)
        .line_width(0)
        .fill_opacity(85)
        .per_page(40)
        .legend(
            common.VizLegendOptions()
            .display_mode(units.LegendDisplayMode.LIST)
            .placement(units.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
            .calcs([]),
        )
        .tooltip(common.VizTooltipOptions().mode(units.TooltipDisplayMode.SINGLE).sort(units.SortOrder.NONE))
    )
    panel = _dressed(builder.build(), title, says, looks)
    panel.targets = [*_targets(queries)]
    panel.max_data_points = POINTS
    return Ready(panel)


def heat_map(title: str, says: str, query: Query, looks: Looks = PLAIN) -> Ready:
    """Return a histogram over time. The query gives buckets by `le`."""
    builder = (
        heatmap.Panel()
        .calculate(calculate=False)
        .cell_gap(1)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heat.HeatmapColorMode.SCHEME)
            .scheme("Oranges")
            .fill("dark-orange")
            .scale(heat.HeatmapColorScale.EXPONENTIAL)
            .exponent(0.5)
            .steps(64)
            .reverse(reverse=False),
        )
        .y_axis(heatmap.YAxisConfig().unit(looks.unit))
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .show_legend()
    )
    panel = _dressed(builder.build(), title, says, looks)
    target = next(_targets([query]))
    target.format_val = PromQueryFormat.HEATMAP
    panel.targets = [target]
    panel.max_data_points = POINTS
    return Ready(panel)


def rows(
    title: str,
    says: str,
    queries: Sequence[Query],
    columns: Mapping[str, Column],
    *,
    sort: tuple[str, bool] | None = None,
    matrix: tuple[str, str] | None = None,
    looks: Looks = PLAIN,
) -> Ready:
    """Return a table as of now. `columns` are the fields in their order; all others are left out.

    `sort` is a column's shown name and whether the largest comes first; `matrix` turns the values of the second
    field into columns, a row for each value of the first.
    """
    builder = table.Panel().show_header(show_header=True).cell_height(units.TableCellHeight.SM)
    if sort:
        builder = builder.sort_by([common.TableSortByFieldState().display_name(sort[0]).desc(desc=sort[1])])
    panel = _dressed(builder.build(), title, says, looks)
    targets = [*_targets(queries, instant=True)]
    for target in targets:
        target.format_val = PromQueryFormat.TABLE
    panel.targets = [*targets]
    changes: list[dashboard.DataTransformerConfig] = []
    if len(targets) > 1:
        changes.append(dashboard.DataTransformerConfig("merge", options={}))
    if matrix:
        options = {"rowField": matrix[0], "columnField": matrix[1], "valueField": "Value", "emptyValue": "empty"}
        changes.append(dashboard.DataTransformerConfig("groupingToMatrix", options=options))
    else:
        names = {name: column.name for name, column in columns.items()}
        kept = {"include": {"names": list(columns)}}
        changes.append(dashboard.DataTransformerConfig("filterFieldsByName", options=kept))
        order: dict[str, object] = {name: index for index, name in enumerate(columns)}
        options_of_order: dict[str, object] = {"excludeByName": {}, "indexByName": order, "renameByName": names}
        changes.append(dashboard.DataTransformerConfig("organize", options=options_of_order))
    panel.transformations = changes
    source = panel.field_config
    assert source is not None  # noqa: S101 - _dressed made it
    source.overrides = [_override(column.name, _properties(column)) for column in columns.values()]
    return Ready(panel)


def variable(name: str, label: str, says: str, values: str, *, everything: str | None = ".+") -> build.QueryVariable:
    """Return a variable of a label's values. `everything` is what "All" stands for; None: one value is chosen."""
    made = (
        build.QueryVariable(name)
        .label(label)
        .description(says)
        .datasource(SOURCE)
        .query({"query": values, "refId": name, "qryType": 1})
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.NATURAL_ASC)
        .multi(multi=everything is not None)
        .include_all(include_all=everything is not None)
        .allow_custom_value(allow_custom_value=True)
    )
    if everything is not None:
        made = made.all_value(everything)
        made = made.current(dashboard.VariableOption(selected=True, text=["All"], value=["$__all"]))
    return made


def source_variable() -> build.DatasourceVariable:
    """Return the variable that says which Prometheus is asked."""
    return (
        build.DatasourceVariable("datasource")
        .label("Data source")
        .description("The Prometheus that scrapes portwatchd")
        .type("prometheus")
    )


JOB = variable("job", "Job", "The scrape job of portwatchd", "label_values(portwatch_build_info, job)")
INSTANCE = variable(
    "instance",
    "Instance",
    "One of several monitors or shards",
    'label_values(portwatch_build_info{job=~"$job"}, instance)',
)
DISTRICT = variable(
    "district",
    "District",
    "The schools' label `district`; `none` are the schools without one",
    f"label_values({DISTRICTS}{{{MONITOR}}}, district)",
)
_SCHOOLS = f"label_values({info()}, school)"
SCHOOLS = variable("school", "School", "Schools of the chosen districts", _SCHOOLS)
SCHOOL = variable("school", "School", "A school of the chosen districts", _SCHOOLS, everything=None)


def board(
    uid: str,
    title: str,
    says: str,
    variables: Iterable[Builder[dashboard.VariableModel]],
    runbooks: str,
    *,
    since: str = "now-6h",
) -> build.Dashboard:
    """Return a dashboard without panels: its variables, its links to the others, its time."""
    made = (
        build.Dashboard(title)
        .uid(uid)
        .description(says)
        .tags([TAG])
        .readonly()
        .time(since, "now")
        .timezone("browser")
        .refresh("1m")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .link(
            build.DashboardLink("portwatch")
            .type(dashboard.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(as_dropdown=False)
            .include_vars(include_vars=True)
            .keep_time(keep_time=True)
            .icon("dashboard")
            .tooltip("The other dashboards of portwatchd"),
        )
        .link(
            build.DashboardLink("Runbooks")
            .type(dashboard.DashboardLinkType.LINK)
            .url("${runbooks}")
            .icon("doc")
            .target_blank(target_blank=True)
            .tooltip("What each alert means and what to do"),
        )
        .with_variable(source_variable())
    )
    for one in variables:
        made = made.with_variable(one)
    constant = build.ConstantVariable("runbooks").label("Runbooks").value(runbooks)
    return made.with_variable(constant.description("Where the runbooks are read; the same as the alerts' runbook_url"))


def numbered(made: build.Dashboard) -> dashboard.Dashboard:
    """Return the dashboard with an id for each panel, and with constants as Grafana keeps them."""
    whole = made.build()
    for number, panel in enumerate(whole.panels or [], 1):
        panel.id_val = number
    for one in whole.templating.list_val or []:
        if one.type_val is dashboard.VariableType.CONSTANT and isinstance(one.query, str):
            one.hide = dashboard.VariableHide.HIDE_VARIABLE
            one.current = dashboard.VariableOption(selected=True, text=one.query, value=one.query)
            one.options = [one.current]
    return whole


def monitor_annotation() -> build.AnnotationQuery:
    """Return the marks for the time in which the monitor itself was cut off and judged no school."""
    return annotation(
        "Monitor isolated",
        f"max by (instance) (portwatch_monitor_isolated{{{MONITOR}}}) == 1",
        "#8F3BB8",
        title="Monitor isolated",
        text="{{instance}} was cut off itself: schools were not judged",
    )


def annotation(
    name: str, expression: str, colour: str, *, title: str, text: str, at_value: bool = False
) -> build.AnnotationQuery:
    """Return marks on all panels where the expression has series; `at_value`: at the time that the value says."""
    target = prometheus.Dataquery().expr(expression).ref_id("Anno").range()
    made = build.AnnotationQuery().name(name).datasource(SOURCE).enable(enable=True).hide(hide=False)
    made = made.icon_color(colour).target(target).title_format(title).text_format(text)
    return made.use_value_for_time(use_value_for_time=True) if at_value else made


def _dressed(panel: dashboard.Panel, title: str, says: str, looks: Looks) -> dashboard.Panel:
    """Give a panel what every kind has."""
    panel.title, panel.description, panel.datasource = title, says, SOURCE
    panel.grid_pos = dashboard.GridPos(h=looks.height, w=looks.width, x=0, y=0)
    if panel.field_config is None:
        panel.field_config = dashboard.FieldConfigSource()
    defaults = _defaults(panel)
    defaults.unit = looks.unit
    defaults.decimals = looks.decimals
    defaults.min_val = looks.minimum
    defaults.max_val = looks.maximum
    defaults.no_value = looks.none
    defaults.mappings = [*looks.mappings] or None
    defaults.thresholds = _thresholds(looks.thresholds)
    defaults.color = dashboard.FieldColor(mode=dashboard.FieldColorModeId.THRESHOLDS)
    if looks.link:
        defaults.links = [dashboard.DashboardLink(title=looks.link[0], url=looks.link[1])]
    panel.field_config.overrides = [
        _override(name, [DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})])
        for name, colour in looks.colours.items()
    ]
    return panel


def _defaults(panel: dashboard.Panel) -> dashboard.FieldConfig:
    assert panel.field_config is not None  # noqa: S101 - _dressed made it
    return panel.field_config.defaults


def _targets(queries: Sequence[Query], *, instant: bool = False) -> Iterator[Dataquery]:
    for number, query in enumerate(queries):
        builder = prometheus.Dataquery().expr(query.expression).ref_id(chr(ord("A") + number)).datasource(SOURCE)
        builder = builder.legend_format(query.legend) if query.legend else builder
        yield (builder.instant() if instant else builder.range()).build()


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    made = [Threshold(value, colour) for value, colour in steps]
    return dashboard.ThresholdsConfig(dashboard.ThresholdsMode.ABSOLUTE, made)


def _override(name: str, properties: list[DynamicConfigValue]) -> dashboard.DashboardFieldConfigSourceOverrides:
    return dashboard.DashboardFieldConfigSourceOverrides(
        matcher=dashboard.MatcherConfig("byName", name), properties=properties
    )


def _properties(column: Column) -> list[DynamicConfigValue]:
    said: dict[str, object] = {
        "unit": column.unit,
        "mappings": [column.mapping] if column.mapping else None,
        "thresholds": _thresholds(column.thresholds) if column.thresholds else None,
        "links": [{"title": column.link[0], "url": column.link[1]}] if column.link else None,
        "noValue": column.none,
        "custom.width": column.width,
        "custom.hidden": column.hidden or None,
        "custom.cellOptions": {"type": "color-background", "mode": "basic"} if column.filled else None,
        "color": {"mode": "thresholds"} if column.filled and column.thresholds else None,
    }
    return [DynamicConfigValue(key, value) for key, value in said.items() if value is not None]
