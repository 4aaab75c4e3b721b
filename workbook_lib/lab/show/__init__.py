"""What a chapter shows: tables, sources, logs, traces, maps, charts; static HTML or PNG, always with text."""

from workbook_lib.lab.show.assignment import assignment
from workbook_lib.lab.show.boundaries import boundaries
from workbook_lib.lab.show.breaker import breaker_timeline
from workbook_lib.lab.show.bursts import bursts
from workbook_lib.lab.show.charts import bars, latency_histogram, timeline
from workbook_lib.lab.show.code import source
from workbook_lib.lab.show.flame import flame_graph
from workbook_lib.lab.show.histogram import histogram
from workbook_lib.lab.show.instances import instances
from workbook_lib.lab.show.lines import curves
from workbook_lib.lab.show.output import Picture, Shown
from workbook_lib.lab.show.pages import consul_ui, web_page
from workbook_lib.lab.show.panels import panels
from workbook_lib.lab.show.pile_up import pile_up
from workbook_lib.lab.show.pipelines import pipelines
from workbook_lib.lab.show.progress import progress
from workbook_lib.lab.show.rates import rates
from workbook_lib.lab.show.records import log_lines, tree
from workbook_lib.lab.show.rollout import autoscaling, rollout
from workbook_lib.lab.show.servicemap import service_map
from workbook_lib.lab.show.shares import shares
from workbook_lib.lab.show.stacked import stacked_bars
from workbook_lib.lab.show.states import states
from workbook_lib.lab.show.tables import table
from workbook_lib.lab.show.waterfall import waterfall

__all__ = [
    "Picture",
    "Shown",
    "assignment",
    "autoscaling",
    "bars",
    "boundaries",
    "breaker_timeline",
    "bursts",
    "consul_ui",
    "curves",
    "flame_graph",
    "histogram",
    "instances",
    "latency_histogram",
    "log_lines",
    "panels",
    "pile_up",
    "pipelines",
    "progress",
    "rates",
    "rollout",
    "service_map",
    "shares",
    "source",
    "stacked_bars",
    "states",
    "table",
    "timeline",
    "tree",
    "waterfall",
    "web_page",
]
