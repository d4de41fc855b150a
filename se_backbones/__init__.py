"""SE and GE backbones for OpenMMLab: everything is reached from config files through the prefix ``se_backbones.``.

Importing this package loads no model code; mmengine imports :mod:`se_backbones.registry` when a config names one of our
types, in the scope of whatever host library runs (mmdet, mmpretrain, mmseg, ...).
"""

from se_backbones.registration import register
from se_backbones.utils.on_demand import on_demand
from se_backbones.utils.paths import config_path
from se_backbones.version import __version__

register()

__all__ = ['__version__', 'config_path', 'fuse_for_inference']

# It loads torch, which configs, the doctor and the options of the tools do without.
__getattr__ = on_demand(__name__, **{'models.fusion': ('fuse_for_inference',)})
