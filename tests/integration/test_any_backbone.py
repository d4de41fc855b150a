"""Detectors, a classifier and a segmentor with operators in a backbone that is not ours train; configs as they ship."""

import pytest
import torch
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import PixelData

import se_backbones
from se_backbones.engine.sites import operators
from se_backbones.models.operators import ContextOperator

pytestmark = pytest.mark.any_device

NARROW_SWIN = dict(embed_dims=8, depths=(1, 1, 2, 1), num_heads=(1, 1, 2, 2))
# What makes each one small.
SHIPPED = {
    'yolox_se_s': {
        'model.backbone.backbone.widen_factor': 0.125, 'model.neck.in_channels': [32, 64, 128],
        'model.neck.out_channels': 32, 'model.bbox_head.in_channels': 32, 'model.bbox_head.feat_channels': 32},
    'rtmdet_ge_tiny': {
        'model.backbone.backbone.widen_factor': 0.125, 'model.neck.in_channels': [32, 64, 128],
        'model.neck.out_channels': 32, 'model.bbox_head.in_channels': 32, 'model.bbox_head.feat_channels': 32},
    'mask_rcnn_se_swin_t': {
        **{f'model.backbone.backbone.{key}': value for key, value in NARROW_SWIN.items()},
        'model.neck.in_channels': [8, 16, 32, 64], 'model.roi_head.bbox_head.fc_out_channels': 64},
    'convnext_se_tiny': {
        'model.backbone.backbone.arch': dict(_delete_=True, depths=[1, 1, 2, 1], channels=[8, 16, 32, 64]),
        'model.head.in_channels': 64},
    'segformer_se_b0': {
        'model.backbone.backbone.embed_dims': 8, 'model.decode_head.in_channels': [8, 16, 40, 64],
        'model.decode_head.channels': 32},
}


def small(name):
    cfg = Config.fromfile(se_backbones.config_path(f'examples/{name}.py'))
    cfg.merge_from_dict(SHIPPED[name] | {'model.backbone.input_size': 64})
    cfg.model.backbone.backbone.init_cfg = None
    cfg.model.get('data_preprocessor', {}).pop('batch_augments', None)
    if 'train_cfg' in cfg.model and cfg.model.get('type') == 'MaskRCNN':
        cfg.model.train_cfg.rpn_proposal.max_per_img = 32
    init_default_scope(cfg.default_scope)
    return cfg


def inputs(cfg, model):
    if cfg.default_scope == 'mmdet':
        data = demo_mm_inputs(2, [[3, 64, 64]] * 2, num_items=[2, 2], num_classes=4,
                              with_mask=cfg.model.type == 'MaskRCNN')
        return model.data_preprocessor(data, True)
    if cfg.default_scope == 'mmpretrain':
        from mmpretrain.structures import DataSample
        samples = [DataSample().set_gt_label(label) for label in (1, 2)]
    else:
        from mmseg.structures import SegDataSample
        samples = [SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, 150, (1, 64, 64))), metainfo=dict(
            img_shape=(64, 64))) for _ in range(2)]
    return dict(inputs=torch.randn(2, 3, 64, 64), data_samples=samples)


@pytest.mark.parametrize('name', SHIPPED)
def test_a_shipped_config_trains_two_iterations(name):
    cfg = small(name)
    model = MODELS.build(cfg.model).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    gates = [module for module in model.modules() if isinstance(module, ContextOperator)]
    before = [gate.logit_layer.bias.clone() for gate in gates]
    for _ in range(2):
        loss, _ = model.parse_losses(model(**inputs(cfg, model), mode='loss'))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.isfinite() and gates
    assert not any(torch.equal(gate.logit_layer.bias, bias) for gate, bias in zip(gates, before, strict=True))


def test_operators_and_blocks_are_named_by_where_they_are():
    cfg = small('yolox_se_s')
    model = MODELS.build(cfg.model)
    assert list(operators(model)) == [f'backbone.context.stage{name}' for name in (
        '2_0', '2_1', '3_0', '3_1', '4_0', '4_1', '4_2')]


def test_a_detectors_checkpoint_is_inserted_through_load_from(tmp_path):
    """The weights of a plain YOLOX give the same boxes and scores with operators."""
    from mmengine.runner import load_checkpoint
    cfg = small('yolox_se_s')
    plain_cfg = cfg.model.copy()
    plain_cfg.backbone = cfg.model.backbone.backbone
    plain, model = MODELS.build(plain_cfg), MODELS.build(cfg.model)
    torch.save(dict(state_dict=plain.state_dict()), tmp_path / 'yolox.pth')
    load_checkpoint(model, str(tmp_path / 'yolox.pth'))
    x = torch.randn(2, 3, 64, 64)
    for wanted, found in zip(plain.eval()(x), model.eval()(x), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(wanted, found, strict=True))
