import sys

import pytest

from se_backbones.mmcv_ext import operators

MODULES = ('bbox', 'deform_conv', 'focal_loss', 'masked_conv', 'modulated_deform_conv', 'multi_scale_deform_attn',
           'nms', 'roi_align', 'roi_pool')


@pytest.fixture(autouse=True)
def _mmcv_runs_on_ours(monkeypatch):
    """Also where mmcv's own operators were compiled."""
    import mmcv.ops  # noqa: F401
    for name in MODULES:
        monkeypatch.setattr(sys.modules[f'mmcv.ops.{name}'], 'ext_module', operators)
