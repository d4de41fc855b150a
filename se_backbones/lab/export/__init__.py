"""Trained models as files that run without OpenMMLab: ONNX, TorchScript, ``torch.export``."""

from se_backbones.lab.export.errors import ExportError
from se_backbones.utils.on_demand import on_demand

__all__ = ['FORMATS', 'PARTS', 'SUFFIXES', 'ExportError', 'Measured', 'export', 'part_of', 'to_bytes',
           'training_images']

PARTS = ('whole', 'features')
SUFFIXES = {'onnx': '.onnx', 'torchscript': '.pt', 'torch-export': '.pt2'}

__getattr__ = on_demand(__name__, exporter=('Measured', 'export', 'part_of', 'to_bytes'), formats=('FORMATS',),
                        quantization=('training_images',))
