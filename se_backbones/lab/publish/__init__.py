"""What others find us by: checkpoints to hand out, and the model index of OpenMMLab's tools."""

FORMATS = ('safetensors', 'pth')
