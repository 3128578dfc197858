"""The report: one self-contained page with the map, the proposed types and how they were made.

``render_report(ReportData(...))`` returns the HTML; `choose_thumbnails` says beforehand for which
images a thumbnail is worth making.
"""

from discovery.stages.report.data import ReportData, ReportFacts
from discovery.stages.report.page import render_report
from discovery.stages.report.thumbnails import choose_thumbnails

__all__ = ["ReportData", "ReportFacts", "choose_thumbnails", "render_report"]
