"""Key layouts: the same networks as other libraries spell them, and ours.

Each layout is a table of rules that are used both ways. Ours are the keys of the backbone without prefix and
``head.fc.weight`` and ``head.fc.bias`` for the classifier.
"""

from se_backbones.pretrained.layouts.layout import Layout, Renamed
from se_backbones.pretrained.layouts.tables import CAFFE, LAYOUTS, detect, get_layout

__all__ = ['CAFFE', 'LAYOUTS', 'Layout', 'Renamed', 'detect', 'get_layout']
