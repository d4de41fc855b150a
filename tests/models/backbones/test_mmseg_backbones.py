"""mmseg's ResNets are ours: every setting of its configs, the deep stem, contracted dilations, multi-grid."""

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

from helpers import as_if_trained

mmseg_models = pytest.importorskip('mmseg.models', reason='mmseg is not installed (the extra [seg])')

GE = dict(op=dict(type='GatherExcite', variant='theta', extent=8))
# mmseg's usual trunk of stride 8, and DeepLabV3's of stride 16 with multi-grid, at a sixteenth of the width.
DILATED = dict(type='ResNetV1c', depth=50, base_channels=4, stem_channels=4, strides=(1, 2, 1, 1),
               dilations=(1, 1, 2, 4), contract_dilation=True)
MULTI_GRID = dict(DILATED, strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2), multi_grid=(1, 2, 4))


def pair(backbone, **ours):
    """mmseg's network and ours."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        theirs = MODELS.build(dict(backbone))
        return theirs, MODELS.build(dict(backbone, type=f'se_backbones.{backbone["type"]}', **ours))


@pytest.mark.parametrize('backbone', [DILATED, MULTI_GRID, dict(DILATED, type='ResNetV1d')], ids=[
    'contracted', 'multi-grid', 'v1d'])
def test_mmsegs_weights_load_and_compute_the_same_with_gates_inserted(backbone, tmp_path):
    theirs, _ = pair(backbone)
    theirs.init_weights()
    as_if_trained(theirs)
    torch.save(dict(state_dict=theirs.state_dict()), tmp_path / 'mmseg.pth')
    # As mmseg's EncoderDecoder hands on its `pretrained`.
    _, ours = pair(backbone, context=GE, pretrained=str(tmp_path / 'mmseg.pth'))
    ours.init_weights()
    images = torch.randn(2, 3, 65, 49)
    with torch.no_grad():
        theirs.train(False)  # returns nothing, so there is no eval()(...)
        found, expected = ours.eval()(images)[-1], theirs(images)[-1]
    assert expected.abs().max() > 0
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())


def test_contract_dilation_halves_the_first_block_of_each_dilated_stage():
    _, net = pair(DILATED)
    dilations = [[block.conv2.dilation[0] for block in getattr(net, name)] for name in net.stage_names]
    assert dilations == [[1] * 3, [1] * 4, [1] + [2] * 5, [2, 4, 4]]


def test_multi_grid_of_the_wrong_length_is_refused():
    with pytest.raises(ValueError, match=r'multi_grid must have one dilation for each of the 3 blocks .* got \(1, 2\)'):
        pair(DILATED, multi_grid=(1, 2))
    with pytest.raises(ValueError, match=r'multi_grid\[\.\.\.\] must be an int of at least 1, got 0'):
        pair(DILATED, multi_grid=(0, 1, 2))
