"""Parameters and multiply-adds of networks, and how they compare with what the papers print."""

from se_backbones.lab.analysis.complexity.compare import Verdict, compare_with_papers
from se_backbones.lab.analysis.complexity.count import Complexity, Cost, build, complexity
from se_backbones.lab.analysis.paper_tables import CONVENTIONS, Convention

__all__ = ['CONVENTIONS', 'Complexity', 'Convention', 'Cost', 'Verdict', 'build', 'compare_with_papers', 'complexity']
