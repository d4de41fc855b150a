"""Weights hold at every door: plain weights come in through each, and the network computes what the plain one did."""

import copy
import io

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook
from mmengine.model import BaseModel, BaseModule
from mmengine.model.weight_init import PretrainedInit
from mmengine.registry import MODELS
from mmengine.runner import Runner, load_checkpoint
from mmengine.runner.checkpoint import load_state_dict
from torch import nn

from helpers import as_if_trained, assert_identical, init_from
from se_backbones.pretrained.pretrained import Pretrained

NARROW = dict(type='se_backbones.ResNet', depth=(2, 1, 1), base_channels=4, input_size=64)
HEAD = dict(type='se_backbones.ResLayer', depth=(1, 1, 1, 2), base_channels=4)
THETA = dict(op=dict(type='GatherExcite', variant='theta', extent=8))
SE = dict(op=dict(type='SqueezeExcite', ratio=4))


class C4(BaseModel):
    """What a C4 detector is to its checkpoint: a backbone, a shared head, and layers of another library."""

    def __init__(self, context=None, init_cfg=None, backbone_init=None, **kwargs):
        super().__init__(init_cfg=init_cfg)
        self.backbone = MODELS.build(dict(NARROW, context=context, init_cfg=backbone_init, **kwargs))
        self.shared_head = MODELS.build(dict(HEAD, context=context))
        self.fc = nn.Linear(128, 2)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        inputs = torch.stack(inputs) if isinstance(inputs, list) else inputs
        out = self.shared_head(self.backbone(inputs)[0])
        return dict(loss=0 * out.mean()) if mode == 'loss' else [out]


@pytest.fixture
def plain(tmp_path):
    """A plain model and its checkpoint, as a Runner saves it."""
    model = as_if_trained(C4())
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'plain.pth')
    return model, str(tmp_path / 'plain.pth')


def assert_same(*models):
    images = torch.randn(2, 3, 64, 64)
    for model in models[1:]:
        assert_identical(models[0], model, images)


def inserted_lines(log):
    return [(level, line) for level, line in log if 'inserted' in line]


def run(model, tmp_path, **kwargs):
    """Train for no steps that count: a Runner as tools/train.py makes it."""
    data = dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                dataset=[dict(inputs=torch.zeros(3, 64, 64)) for _ in range(2)])
    runner = Runner(model, str(tmp_path / 'run'), train_dataloader=data, train_cfg=dict(by_epoch=False, max_iters=1),
                    optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.0)), experiment_name=f'doors_{id(model)}',
                    default_hooks=dict(checkpoint=None, logger=None), **kwargs)
    # Batch norms would learn from the step.
    runner.register_hook(_Frozen(), priority='LOWEST')
    runner.train()
    return runner


class _Frozen(EMAHook.__base__):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        runner.model.eval()


@pytest.mark.parametrize('context', [SE, THETA], ids=['SE', 'GE'])
@pytest.mark.parametrize('stock_init', [False, True], ids=['from scratch', 'backbone from a checkpoint of its own'])
def test_load_from(plain, tmp_path, log, context, stock_init):
    net, path = plain
    init = init_from(MODELS.build(NARROW), tmp_path) if stock_init else None
    model = C4(context, backbone_init=init)
    run(model, tmp_path, load_from=path)
    assert_same(net, model)
    lines = [line for level, line in inserted_lines(log) if level == 'WARNING']
    assert len(lines) == 2  # the backbone and the shared head
    assert 'C4' not in lines[0] and 'ResNet (backbone): inserted 4 operators' in lines[0]
    assert 'until it is trained, the network computes what the plain one does' in lines[0]


def test_load_from_with_averaged_weights(plain, tmp_path):
    net, path = plain
    model = C4(THETA)
    runner = run(model, tmp_path, load_from=path, custom_hooks=[dict(type='EMAHook')])
    ema = next(hook for hook in runner.hooks if isinstance(hook, EMAHook)).ema_model.module
    assert_same(net, ema, model)


def test_resume_and_complete_checkpoints_pass_untouched(tmp_path, log):
    trained = as_if_trained(C4(THETA))
    runner = run(trained, tmp_path)
    runner.save_checkpoint(str(tmp_path), 'iter_1.pth', by_epoch=False)
    model = C4(THETA)
    run(model, tmp_path, load_from=str(tmp_path / 'iter_1.pth'), resume=True)
    assert all(torch.equal(a, b) for a, b in zip(trained.state_dict().values(), model.state_dict().values()))
    assert not inserted_lines(log) and not any('ResNet' in line for level, line in log if level == 'WARNING')


SPELLINGS = ['Pretrained', 'mmengine.Pretrained', 'mmdet.Pretrained', 'mmpretrain.Pretrained', PretrainedInit,
             'mmengine.model.weight_init.PretrainedInit', 'se_backbones.Pretrained', Pretrained,
             'se_backbones.pretrained.pretrained.Pretrained']
every_spelling = pytest.mark.parametrize(('spelling', 'context'), [('Pretrained', None), (Pretrained, None), *(
    (spelling, SE) for spelling in SPELLINGS)], ids=str)


@every_spelling
def test_init_cfg_of_a_backbone_however_it_is_spelled(tmp_path, spelling, context):
    net = as_if_trained(MODELS.build(NARROW))
    model = MODELS.build(dict(NARROW, context=context, init_cfg=init_from(net, tmp_path) | dict(type=spelling)))
    model.init_weights()
    assert_same(net, model)


def test_pretrained_of_a_backbone(tmp_path):
    net = as_if_trained(MODELS.build(NARROW))
    model = MODELS.build(dict(NARROW, context=SE, pretrained=init_from(net, tmp_path)['checkpoint']))
    model.init_weights()
    assert_same(net, model)


@pytest.mark.parametrize('spelling', [PretrainedInit, Pretrained], ids=['theirs', 'ours'])
def test_init_cfg_of_a_dumped_config(tmp_path, spelling):
    """A config in Python names classes; a Runner dumps it beside its checkpoints, with their paths."""
    net = as_if_trained(MODELS.build(NARROW))
    torch.save(net.state_dict(), tmp_path / 'plain.pth')
    (tmp_path / 'config.py').write_text(
        f'from {spelling.__module__} import {spelling.__name__}\n'
        f'model = dict(**{NARROW}, context={SE}, init_cfg=dict(type={spelling.__name__}, '
        f'checkpoint={str(tmp_path / "plain.pth")!r}))\n')
    Config.fromfile(tmp_path / 'config.py', lazy_import=True).dump(tmp_path / 'dumped.py')
    model = MODELS.build(Config.fromfile(tmp_path / 'dumped.py').model)
    model.init_weights()
    assert_same(net, model)


@every_spelling
def test_init_cfg_of_a_whole_detector(plain, spelling, context):
    net, path = plain
    model = C4(context, init_cfg=dict(type=spelling, checkpoint=path))
    model.init_weights()
    assert_same(net, model)


def test_init_cfg_of_a_whole_detector_says_so_once(plain, log):
    C4(SE, init_cfg=dict(type='Pretrained', checkpoint=plain[1])).init_weights()
    assert len(inserted_lines(log)) == 2


def test_a_detector_wins_over_its_backbones_own_checkpoint(plain, tmp_path):
    net, path = plain
    model = C4(SE, init_cfg=dict(type='Pretrained', checkpoint=path),
               backbone_init=init_from(MODELS.build(NARROW), tmp_path))
    model.init_weights()
    assert_same(net, model)


def test_load_state_dict_keeps_torchs_rules(plain):
    net, _ = plain
    state = net.state_dict()
    before = {key: value.clone() for key, value in state.items()}
    model = C4(SE)
    for _ in range(2):  # twice is as once
        keys = model.load_state_dict(state, strict=False)
        assert keys.missing_keys and all('.context.' in key for key in keys.missing_keys)
        assert_same(net, model)
    with pytest.raises(RuntimeError, match=r'Missing key.*context'):
        C4(SE).load_state_dict(state)
    # The caller's tensors are his.
    assert all(torch.equal(value, before[key]) for key, value in state.items())


def test_mmengines_load_state_dict_and_load_checkpoint(plain):
    net, path = plain
    one, other = C4(THETA), C4(THETA)
    load_state_dict(one, net.state_dict())
    load_checkpoint(other, path)
    assert_same(net, one, other)


def test_assigned_tensors(plain):
    net, _ = plain
    model = C4(SE)
    model.load_state_dict(net.state_dict(), strict=False, assign=True)
    assert_same(net, model)


def test_data_parallel(plain):
    net, _ = plain
    model = nn.DataParallel(C4(SE))
    model.load_state_dict({f'module.{key}': value for key, value in net.state_dict().items()}, strict=False)
    assert_same(net, model.module)


def test_converted_batch_norms(plain):
    net, path = plain
    model = nn.SyncBatchNorm.convert_sync_batchnorm(C4(SE))
    load_checkpoint(model, path)
    state = model.state_dict()
    assert torch.equal(state['backbone.layer1.0.bn3.weight'], 2 * net.state_dict()['backbone.layer1.0.bn3.weight'])


@pytest.mark.parametrize('copied', [copy.deepcopy, lambda model: _through_a_file(model)], ids=['copy', 'file'])
def test_a_copy_inserts_into_itself(plain, copied):
    """Not into the original, as a closure would."""
    net, path = plain
    original = C4(SE)
    before = {key: value.clone() for key, value in original.state_dict().items()}
    model = copied(original)
    load_checkpoint(model, path)
    assert_same(net, model)
    assert all(torch.equal(value, before[key]) for key, value in original.state_dict().items())


def _through_a_file(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def test_files_of_half_precision_do_not_overflow(plain):
    net, _ = plain
    state = {key: value.half() if value.is_floating_point() else value for key, value in net.state_dict().items()}
    state['backbone.layer1.0.bn3.weight'].fill_(60000)
    model = C4(SE)
    model.load_state_dict(state, strict=False)
    assert model.backbone.layer1[0].bn3.weight.eq(120000).all()


def test_nothing_is_inserted_into_parts_that_the_checkpoint_does_not_hold(plain, log):
    net, _ = plain
    model = C4(SE)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict({'fc.weight': torch.zeros(2, 128), 'fc.bias': torch.zeros(2)}, strict=False)
    after = model.state_dict()
    assert all(torch.equal(value, before[key]) for key, value in after.items() if not key.startswith('fc.'))
    one_stage = {key: value for key, value in net.state_dict().items() if 'layer1' in key}
    model.load_state_dict(one_stage, strict=False)
    changed = {key.split('.')[1] for key, value in model.state_dict().items()
               if not key.startswith('fc.') and not torch.equal(value, before[key])}
    assert changed == {'layer1'}
    assert any(level == 'WARNING' and 'does not fit ResNet (backbone)' in line for level, line in log)


def test_a_part_of_an_operator_is_an_error(plain):
    state = C4(SE).state_dict()
    del state['backbone.layer2.0.context.standard.excite.up.bias']
    with pytest.raises(ValueError, match=r'holds 3 of the 4 tensors of the operator layer2.0.context.standard'):
        C4(SE).load_state_dict(state, strict=False)


def test_an_operator_of_another_ratio_is_an_error_that_names_it():
    state = C4(dict(op=dict(type='SqueezeExcite', ratio=2))).state_dict()
    with pytest.raises(ValueError, match=r'context.op.ratio: layer1.0.context.standard .*\(ratio 4\).*\(ratio 2\)'):
        load_state_dict(C4(SE), state)


def test_another_gate_is_not_doubled(plain, log):
    """A block that holds keys which ours does not know is no plain block."""
    net, _ = plain
    state = {**net.state_dict(), 'backbone.layer1.0.ge.weight': torch.ones(4)}
    model = C4(SE)
    load_state_dict(model, state)
    for block, factor in ((0, 1), (1, 2)):
        key = f'backbone.layer1.{block}.bn3.weight'
        assert torch.equal(model.state_dict()[key], factor * state[key])
    assert any(level == 'WARNING' and 'layer1.0.ge.weight' in line for level, line in log)


@pytest.mark.parametrize('context', [dict(SE, placement='post'), dict(op=dict(SE['op'], gate='tanh'))], ids=str)
def test_what_cannot_be_inserted_is_refused_before_the_run_and_can_start_fresh(plain, tmp_path, log, context):
    net, path = plain
    with pytest.raises(ValueError, match=r'Cannot insert layer1.0.context.*context=dict\(..., insertion="fresh"\)'):
        run(C4(context), tmp_path, load_from=path)
    model = C4(dict(context, insertion='fresh'))
    run(model, tmp_path, load_from=path)
    assert torch.equal(model.backbone.layer1[0].bn3.weight, net.backbone.layer1[0].bn3.weight)
    assert any(level == 'WARNING' and '4 operators start with fresh gates' in line for level, line in log)


def test_insertion_has_two_words():
    with pytest.raises(ValueError, match=r"context.insertion must be one of 'preserve', 'fresh', got 'freshly'"):
        MODELS.build(dict(NARROW, context=dict(SE, insertion='freshly')))


class Nested(BaseModule):
    """A backbone of another library around one of ours."""

    def __init__(self, init_cfg=None):
        super().__init__(init_cfg)
        self.net = MODELS.build(dict(NARROW, context=SE))

    def forward(self, x):
        return self.net(x)


@pytest.mark.parametrize('spelling', SPELLINGS, ids=str)
def test_a_backbone_within_another(tmp_path, spelling):
    net = as_if_trained(MODELS.build(NARROW))
    state = {f'net.{key}': value for key, value in net.state_dict().items()}
    model = Nested(init_from(state, tmp_path) | dict(type=spelling))
    model.init_weights()
    assert_same(net, model)
