"""Two processes train what one with the doubled batch does, and a run goes on with another number of processes."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import se_backbones

ROOT = Path(se_backbones.config_path()).parent
CONFIG = f"""
_base_ = {se_backbones.config_path('digits/resnet18_se.py')!r}
# Frozen batch norms: torch's SyncBatchNorm needs a GPU, and others see half of the batch each.
model = dict(
    backbone=dict(depth=(1, 1), base_channels=4, num_stages=2, out_indices=(1,), norm_eval=True,
                  norm_cfg=dict(type='BN', requires_grad=False)),
    head=dict(in_channels=32))
plain = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
train_dataloader = dict(sampler=dict(shuffle=False), dataset=dict(pipeline=plain))
optim_wrapper = dict(_delete_=True, optimizer=dict(type='SGD', lr=0.5, momentum=0.9))
param_scheduler = []
train_cfg = dict(_delete_=True, by_epoch=False, max_iters=6, val_interval=100)
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=3, max_keep_ckpts=-1))
log_processor = dict(by_epoch=False)
"""


@pytest.fixture(scope='module')
def config(tmp_path_factory, digits):
    path = tmp_path_factory.mktemp('config') / 'small.py'
    path.write_text(CONFIG + f"""
train_dataloader['dataset']['data_root'] = {str(digits)!r}
val_dataloader = dict(dataset=dict(data_root={str(digits)!r}))
""")
    return path


@pytest.fixture(scope='module')
def train(tool, config):
    """Return a function that trains with the tool, with the same images in every step whatever the processes.

    One process is this one; two are started as a user would start them.
    """
    def run(work_dir, processes, batch, *words, options=(), config=config):
        words = [config, '--work-dir', work_dir, *words, '--cfg-options', f'train_dataloader.batch_size={batch}',
                 *options]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv('SE_BACKBONES_TAIL', 'fused')
            if processes == 1:
                patch.setattr('mmengine.device.utils.DEVICE', 'cpu')  # also where there is a GPU
                tool('train', *words)
            else:
                patch.setenv('CUDA_VISIBLE_DEVICES', '')
                start(processes, *words, '--launcher', 'pytorch')
        return work_dir
    return run


def start(processes, *words):
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    done = subprocess.run([*map(str, (
        sys.executable, '-m', 'torch.distributed.run', f'--nproc_per_node={processes}', f'--master_port={port}',
        ROOT / 'tools' / 'train.py', *words))], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope='module')
def one(train, tmp_path_factory):
    """The folder of six steps with one process."""
    return train(tmp_path_factory.mktemp('one'), 1, 16)


@pytest.fixture(scope='module')
def two(train, tmp_path_factory):
    """The folder of six steps with two processes."""
    return train(tmp_path_factory.mktemp('two'), 2, 8)


def weights(work_dir, iteration):
    return torch.load(work_dir / f'iter_{iteration}.pth', weights_only=False)['state_dict']


def assert_close(a, b):
    assert a.keys() == b.keys()
    for key in a:
        torch.testing.assert_close(a[key], b[key], rtol=1e-4, atol=1e-6, msg=lambda text, key=key: f'{key}: {text}')


def test_two_processes_equal_one_with_the_doubled_batch(one, two):
    half, whole = weights(one, 3), weights(one, 6)
    assert any((half[key] - whole[key]).abs().max() > 1e-3 for key in whole), 'nothing was learnt in three steps'
    assert_close(whole, weights(two, 6))


def test_a_run_goes_on_with_another_number_of_processes(train, one, two, tmp_path):
    """Three steps with two processes, three with one: the same weights as six steps with one."""
    shutil.copy(two / 'iter_3.pth', tmp_path)
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'iter_3.pth'))
    train(tmp_path, 1, 16, '--resume')
    log, = tmp_path.rglob('*.log')
    assert 'resumed epoch: 0, iter: 3' in log.read_text()
    assert_close(weights(one, 6), weights(tmp_path, 6))


@pytest.mark.slow
def test_accumulated_gradients_equal_a_doubled_batch(train, one, tmp_path):
    train(tmp_path, 1, 8, options=('optim_wrapper.accumulative_counts=2', 'train_cfg.max_iters=12'))
    assert_close(weights(one, 6), weights(tmp_path, 12))


@pytest.mark.slow
def test_the_optimizers_state_is_split_over_two_processes(train, one, tmp_path):
    """ZeRO stage 1 without FlexibleRunner, as docs/scaling.md says: the weights are those of one process."""
    train(tmp_path, 2, 8, options=(
        'optim_wrapper.optimizer.type=ZeroRedundancyOptimizer', 'optim_wrapper.optimizer.optimizer_type=SGD',
        'default_hooks.checkpoint.save_optimizer=False'))
    assert_close(weights(one, 6), weights(tmp_path, 6))


@pytest.mark.slow
def test_flexible_runner_trains_what_the_runner_does(train, one, tmp_path):
    train(tmp_path, 1, 16, options=('runner_type=FlexibleRunner', 'strategy.type=SingleDeviceStrategy'))
    assert_close(weights(one, 6), weights(tmp_path, 6))


@pytest.mark.slow
def test_the_learning_rate_is_scaled_to_the_batch(train, config, tmp_path):
    scaling = tmp_path / 'scaling.py'
    scaling.write_text(config.read_text() + 'auto_scale_lr = dict(base_batch_size=64, enable=False)\n')
    train(tmp_path / 'scaled', 1, 16, '--auto-scale-lr', config=scaling)
    train(tmp_path / 'written', 1, 16, options=('optim_wrapper.optimizer.lr=0.125',))
    assert_close(weights(tmp_path / 'scaled', 6), weights(tmp_path / 'written', 6))
