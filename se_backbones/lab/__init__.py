"""Tools on top of the plugin: analyses, export, conversion, benchmarks and datasets.

The plugin, which is all that a config needs, never imports it.
"""

from se_backbones.utils.openmmlab import require

require('mmengine', 'mmcv')
