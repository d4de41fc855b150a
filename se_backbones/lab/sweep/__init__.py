"""Many configs, several seeds each: trained one after the other, whatever interrupts them, and laid out as a table."""

from se_backbones.lab.sweep.plan import Matrix, read_matrix
from se_backbones.lab.sweep.table import Summary, summarise, to_markdown
from se_backbones.utils.on_demand import on_demand

__all__ = ['Matrix', 'Summary', 'read_matrix', 'run_all', 'summarise', 'to_markdown']

__getattr__ = on_demand(__name__, run=('run_all',))
