"""The hook logs shares of closed and open gates and leaves the training as it is."""

import itertools
import json

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.registry import HOOKS, MODELS, VISBACKENDS
from mmengine.runner import Runner
from mmengine.visualization import BaseVisBackend
from torch import nn

from se_backbones.engine.sites import operators

_runs = itertools.count()
SE = dict(type='SqueezeExcite', ratio=2)


class Net(BaseModel):
    def __init__(self, context):
        super().__init__()
        self.backbone = MODELS.build(dict(type='se_backbones.ResNet', depth=(1, 1), base_channels=4, block='basic',
                                          context=context))

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return dict(loss=self.backbone(torch.stack(inputs))[-1].square().mean())


class Images(list):
    """Eight images of 16 x 16, as a dataset that returns what a pipeline would."""

    def __init__(self):
        generator = torch.Generator().manual_seed(0)
        super().__init__(dict(inputs=torch.randn(3, 16, 16, generator=generator)) for _ in range(8))


@pytest.fixture
def train(tmp_path):
    """Return a function that trains for one epoch of four iterations: the model, its checkpoint, its log."""
    def run(*hooks, context=(dict(op=SE),), change=None, backends=(dict(type='LocalVisBackend'),)):
        torch.manual_seed(0)
        model = Net(list(context) or None)
        model.init_weights()  # the Runner would, after the change
        if change:
            change(model)
        name = f'saturation_{next(_runs)}'
        runner = Runner(
            model, str(tmp_path / name), experiment_name=name, default_scope='mmengine',
            train_dataloader=dict(batch_size=2, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
                                  dataset=Images()),
            train_cfg=dict(by_epoch=True, max_epochs=1), optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            custom_hooks=list(hooks), default_hooks=dict(logger=dict(type='LoggerHook', interval=1)),
            visualizer=dict(type='Visualizer', name=name, vis_backends=list(map(dict, backends))),
            randomness=dict(seed=0))
        runner.train()
        log = next((tmp_path / name).rglob('scalars.json')).read_text().splitlines()
        saved = torch.load(tmp_path / name / 'epoch_1.pth', weights_only=False)['state_dict']
        return runner.model, saved, [json.loads(line) for line in log]
    return run


HOOK = dict(type='se_backbones.GateSaturationHook', interval=2)


def test_the_shares_are_written_to_the_runs_backend(train):
    def open_one(model):
        first, second = (site.operator for site in operators(model).values())
        for operator, bias in ((first, 20.0), (second, -20.0)):
            nn.init.zeros_(operator.logit_layer.weight)
            nn.init.constant_(operator.logit_layer.bias, bias)
    _, _, log = train(dict(HOOK, per_operator=True), change=open_one)
    last = log[-1]
    # Four open gates of the first operator, eight closed ones of the second, per image.
    assert last['gates/above_0.95'] == pytest.approx(4 / 12) and last['gates/below_0.05'] == pytest.approx(8 / 12)
    assert last['gates/SE_2_1/above_0.95'] == 1 and last['gates/SE_2_1/below_0.05'] == 0
    assert last['gates/SE_3_1/above_0.95'] == 0 and last['gates/SE_3_1/below_0.05'] == 1


@pytest.mark.parametrize('tail', ['fused', 'plain'])
def test_gates_are_seen_whichever_code_ends_the_units(train, monkeypatch, tail):
    monkeypatch.setenv('SE_BACKBONES_TAIL', tail)

    def close(model):
        for site in operators(model).values():
            nn.init.constant_(site.operator.logit_layer.bias, -20.0)
    assert train(HOOK, change=close)[2][-1]['gates/below_0.05'] == 1


@pytest.mark.parametrize('first', [True, False], ids=['averaged first', 'watched first'])
def test_a_running_average_of_the_weights_finds_the_network_unwatched(train, first):
    """mmengine's EMAHook reads the weights by name after each iteration."""
    hooks = [dict(type='EMAHook', update_buffers=True), dict(HOOK, interval=1)]
    _, saved, log = train(*(hooks if first else hooks[::-1]))
    assert 'gates/below_0.05' in log[-1] and not any('.operator.' in key for key in saved)


def test_any_visual_backend_takes_them(train):
    written = []

    @VISBACKENDS.register_module(force=True)
    class Recorder(BaseVisBackend):
        experiment = None

        def _init_env(self):
            pass

        def add_scalars(self, scalar_dict, step=0, file_path=None, **kwargs):
            written.append((step, scalar_dict.get('gates/above_0.95')))
    train(HOOK, backends=[dict(type='LocalVisBackend'), dict(type='Recorder', save_dir='')])
    assert [step for step, value in written] == [1, 2, 3, 4] and [value is None for _, value in written] == [
        True, False, False, False]


def test_every_second_iteration_is_looked_at(train, monkeypatch):
    from se_backbones.engine.saturation import Saturation
    seen = []
    monkeypatch.setattr(Saturation, 'see', lambda self, site, gate: seen.append(site.name))
    train(HOOK)
    assert seen == ['SE_2_1', 'SE_3_1'] * 2


def test_each_look_counts_its_own_iteration_alone(train):
    """Gates that are open at the first look and closed at the second are all closed in the last line of the log."""
    class Turn(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            for site in operators(runner.model).values():
                nn.init.constant_(site.operator.logit_layer.bias, 20.0 if runner.iter < 2 else -20.0)
    log = train(Turn(), HOOK)[2]
    assert [(row['gates/below_0.05'], row['gates/above_0.95']) for row in log[1:]] == [(0, 1), (0, 1), (1, 0)]


def test_training_goes_as_without_the_hook(train):
    plain, saved, _ = train()
    watched, saved_watched, _ = train(dict(HOOK, interval=1))
    assert list(saved) == list(saved_watched)
    assert [type(module) for module in plain.modules()] == [type(module) for module in watched.modules()]
    for key, value in saved.items():
        # The iterations that are looked at are not fused: equal up to rounding.
        assert torch.allclose(value, saved_watched[key], rtol=1e-4, atol=1e-6), key


def test_a_divergence_is_said_once_and_does_not_end_the_run(train, monkeypatch):
    def diverge(model):
        nn.init.constant_(operators(model)['SE_2_1'].operator.logit_layer.bias, torch.nan)
    messages = []
    monkeypatch.setattr('se_backbones.engine.gate_saturation.print_log', lambda text, **_: messages.append(text))
    train(dict(HOOK, interval=1), change=diverge)
    assert len(messages) == 1 and 'The gate of SE_2_1' in messages[0] and 'training has diverged' in messages[0]


def test_a_model_without_operators_is_an_error_before_training(train):
    with pytest.raises(ValueError, match='Net has no context operators'):
        train(HOOK, context=())


@pytest.mark.parametrize(('options', 'message'), [
    (dict(interval=0), 'GateSaturationHook.interval must be an int of at least 1'),
    (dict(low=0.95, high=0.05), 'low must be below high'),
    (dict(per_operator=1), 'GateSaturationHook.per_operator must be one of True, False')])
def test_wrong_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        HOOKS.build(dict(type='se_backbones.GateSaturationHook', **options))
