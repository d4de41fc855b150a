"""The workshop on top of the plugin: what looks at networks, converts, exports, compares and makes data.

The plugin, which is all that a config needs, never imports it.
"""

from se_backbones.utils.openmmlab import require

require('mmengine', 'mmcv')
