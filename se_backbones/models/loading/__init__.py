"""Loading of weights into backbones and shared heads: matching, counting, exact insertion."""

from se_backbones.models.loading.coverage import coverage
from se_backbones.models.loading.module import DEFAULT_INIT, PretrainedModule, split_loaders
from se_backbones.models.loading.request import MisfitError, Request, loading
from se_backbones.models.loading.settings import differences, settings

__all__ = ['DEFAULT_INIT', 'PretrainedModule', 'MisfitError', 'Request', 'coverage', 'differences', 'loading',
           'settings', 'split_loaders']
