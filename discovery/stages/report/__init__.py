"""The report: one self-contained page with the map, the proposed types and how they were made.

``render_report(ReportData(...))`` returns the HTML; `choose_thumbnails` says beforehand for which
images a thumbnail is worth making.
"""

from discovery.stages.report.data import ReportData as ReportData
from discovery.stages.report.data import ReportFacts as ReportFacts
from discovery.stages.report.page import render_report as render_report
from discovery.stages.report.thumbnails import choose_thumbnails as choose_thumbnails
