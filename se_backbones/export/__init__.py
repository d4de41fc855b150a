"""Trained models as files that run without OpenMMLab: ONNX, TorchScript, ``torch.export``."""

from se_backbones.export.errors import ExportError
from se_backbones.export.exporter import PARTS, Row, export, part_of, to_bytes
from se_backbones.export.formats import FORMATS
from se_backbones.export.quantization import training_images

__all__ = ['FORMATS', 'PARTS', 'ExportError', 'Row', 'export', 'part_of', 'to_bytes', 'training_images']
