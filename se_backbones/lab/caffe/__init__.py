"""The Caffe networks of hujie-frank/SENet and hujie-frank/GENet: read, named, converted. Needs the package protobuf."""

from se_backbones.pretrained.errors import WeightsError
from se_backbones.utils.extras import need

need("Caffe's files", 'caffe', 'protobuf', error=WeightsError)

from se_backbones.lab.caffe.convert import Converted, Report, convert_caffemodel  # noqa: E402
from se_backbones.lab.caffe.names import LAYER_RULES  # noqa: E402
from se_backbones.lab.caffe.reader import Layer, check_fits, read_caffemodel, read_prototxt  # noqa: E402
from se_backbones.lab.caffe.writer import caffe_layers, caffemodel_of  # noqa: E402

__all__ = ['LAYER_RULES', 'Converted', 'Layer', 'Report', 'caffe_layers', 'caffemodel_of', 'check_fits',
           'convert_caffemodel', 'read_caffemodel', 'read_prototxt']
