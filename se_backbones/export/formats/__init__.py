"""The kinds of files: each module turns a network into bytes, and bytes into a function from images to outputs."""

from se_backbones.export.formats import onnx, torch_export, torchscript

FORMATS = {'onnx': onnx, 'torchscript': torchscript, 'torch-export': torch_export}
