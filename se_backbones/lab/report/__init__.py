"""One self-contained HTML page on one or several runs."""

from se_backbones.utils.on_demand import on_demand

__all__ = ['MOST_IMAGES', 'Run', 'find_run', 'write_report']

MOST_IMAGES = 500  # for gates and selectivity; spaced evenly over the test set

__getattr__ = on_demand(__name__, page=('write_report',), runs=('Run', 'find_run'))
