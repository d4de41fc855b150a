"""One self-contained HTML page on one or several runs."""

from se_backbones.report.page import write_report
from se_backbones.report.runs import Run, find_run

__all__ = ['Run', 'find_run', 'write_report']
