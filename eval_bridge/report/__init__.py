"""Pages for a person to read, each one file that needs no network: the report of an evaluation, and its parts."""

from eval_bridge.report.evaluation_report import render_report, write_report
from eval_bridge.report.latency import CostModel, cost_model

__all__ = ["CostModel", "cost_model", "render_report", "write_report"]
