"""Publishing: checkpoints, and the model index of OpenMMLab's tools."""

FORMATS = ('safetensors', 'pth')
