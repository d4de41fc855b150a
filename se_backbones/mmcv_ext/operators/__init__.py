"""The functions of ``mmcv._ext`` that mmdet's, mmpretrain's and mmseg's usual models call, on torchvision's operators.

``mmcv/ops/*.py`` call them by name, with the tensors to fill among the arguments. Each module here names the source of
its semantics, and ``tests/mmcv_ext`` compares with loops and with numbers that the compiled operators gave. Every other
name exists too, and stops with one error when it is called.
"""

from se_backbones.mmcv_ext.operators.absent import absent
from se_backbones.mmcv_ext.operators.boxes import bbox_overlaps, nms, nms_match, softnms
from se_backbones.mmcv_ext.operators.deform_attention import ms_deform_attn_backward, ms_deform_attn_forward
from se_backbones.mmcv_ext.operators.deform_conv import (
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    deform_conv_forward,
    modulated_deform_conv_backward,
    modulated_deform_conv_forward,
)
from se_backbones.mmcv_ext.operators.facts import get_compiler_version, get_compiling_cuda_version
from se_backbones.mmcv_ext.operators.focal_loss import (
    sigmoid_focal_loss_backward,
    sigmoid_focal_loss_forward,
    softmax_focal_loss_backward,
    softmax_focal_loss_forward,
)
from se_backbones.mmcv_ext.operators.masked_conv import masked_col2im_forward, masked_im2col_forward
from se_backbones.mmcv_ext.operators.roi import (
    roi_align_backward,
    roi_align_forward,
    roi_pool_backward,
    roi_pool_forward,
)

__all__ = [
    'bbox_overlaps', 'deform_conv_backward_input', 'deform_conv_backward_parameters', 'deform_conv_forward',
    'get_compiler_version', 'get_compiling_cuda_version', 'masked_col2im_forward', 'masked_im2col_forward',
    'modulated_deform_conv_backward', 'modulated_deform_conv_forward', 'ms_deform_attn_backward',
    'ms_deform_attn_forward', 'nms', 'nms_match', 'roi_align_backward', 'roi_align_forward', 'roi_pool_backward',
    'roi_pool_forward', 'sigmoid_focal_loss_backward', 'sigmoid_focal_loss_forward', 'softmax_focal_loss_backward',
    'softmax_focal_loss_forward', 'softnms']

# What they do, for people.
NAMES = ('RoIAlign', 'RoIPool', 'NMS', 'soft-NMS', 'NMS match', 'overlaps', 'focal losses', 'deformable convolutions',
         'deformable attention', 'masked convolution')


def __getattr__(name: str):
    # mmcv asks for all names when its modules are imported, long before any is called.
    if name.startswith('_'):
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return absent(name)
