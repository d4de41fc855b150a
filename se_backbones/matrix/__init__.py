"""Many configs, several seeds each: trained one after the other, whatever interrupts them, and laid out as a table."""

from se_backbones.matrix.plan import Matrix, read_matrix
from se_backbones.matrix.run import run_all
from se_backbones.matrix.table import Summary, summarise, to_markdown

__all__ = ['Matrix', 'Summary', 'read_matrix', 'run_all', 'summarise', 'to_markdown']
