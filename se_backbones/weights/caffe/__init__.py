"""The Caffe networks of hujie-frank/SENet and hujie-frank/GENet: read, named, converted. Needs the package protobuf."""

from se_backbones.weights.caffe.convert import Converted, Report, convert_caffemodel
from se_backbones.weights.caffe.names import LAYER_RULES
from se_backbones.weights.caffe.reader import Layer, check_fits, read_caffemodel, read_prototxt
from se_backbones.weights.caffe.writer import caffe_layers, caffemodel_of

__all__ = ['LAYER_RULES', 'Converted', 'Layer', 'Report', 'caffe_layers', 'caffemodel_of', 'check_fits',
           'convert_caffemodel', 'read_caffemodel', 'read_prototxt']
