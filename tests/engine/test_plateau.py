"""A plateau schedule drops as often as the paper says, whatever the learning rate is."""

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS
from torch import nn

import se_backbones


def schedule(batch, name='imagenet_plateau_300e_ge'):
    """Return the optimizer wrapper and the scheduler of a shipped schedule, as ``--auto-scale-lr`` scales it."""
    cfg = Config.fromfile(se_backbones.config_path(f'_base_/schedules/{name}.py'))
    wrapper = cfg.optim_wrapper
    wrapper.optimizer.lr *= batch / cfg.auto_scale_lr.base_batch_size
    optim = build_optim_wrapper(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), wrapper)
    assert isinstance(optim, OptimWrapper)
    scheduler = PARAM_SCHEDULERS.build(dict(cfg.param_scheduler), default_args=dict(optimizer=optim))
    return optim, scheduler, wrapper.optimizer.lr


def rates(optim):
    return {group['lr'] for group in optim.param_groups}


@pytest.mark.parametrize('batch', [8, 32, 128, 256, 1024, 2048, 8192])
@pytest.mark.parametrize('name', ['imagenet_plateau_300e_ge', 'imagenet_plateau_400e_mobile_ge'])
def test_weights_and_biases_drop_three_times_together_at_every_batch(batch, name):
    optim, scheduler, lr = schedule(batch, name)
    assert rates(optim) == {lr, 2 * lr}
    seen = [rates(optim)]
    for _ in range(300):
        scheduler.step({'validation/loss': 1.0})
        if rates(optim) != seen[-1]:
            seen.append(rates(optim))
    assert len(seen) == 4
    for drops, found in enumerate(seen):
        assert sorted(found) == pytest.approx([lr / 10**drops, 2 * lr / 10**drops])


def test_a_run_that_goes_on_counts_on():
    optim, scheduler, lr = schedule(256)
    for _ in range(40):
        scheduler.step({'validation/loss': 1.0})
    assert scheduler.drops == 2
    again, resumed, _ = schedule(256)
    again.load_state_dict(optim.state_dict())
    resumed.load_state_dict(scheduler.state_dict())
    for _ in range(300):
        resumed.step({'validation/loss': 1.0})
    assert resumed.drops == 3 and min(rates(again)) == pytest.approx(lr / 1000)


def test_a_falling_loss_drops_nothing():
    optim, scheduler, lr = schedule(256)
    for epoch in range(300):
        scheduler.step({'validation/loss': 0.99**epoch})
    assert min(rates(optim)) == lr


def test_max_drops_must_be_a_count():
    with pytest.raises(ValueError, match='param_scheduler.max_drops'):
        PARAM_SCHEDULERS.build(dict(type='se_backbones.ReduceOnPlateauLR', monitor='loss', max_drops=0),
                               default_args=dict(optimizer=torch.optim.SGD(nn.Linear(1, 1).parameters(), 0.1)))
