"""Two processes train what one with the doubled batch does, and a run goes on with another number of processes."""

import os
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


@pytest.fixture
def config(tmp_path, digits):
    path = tmp_path / 'small.py'
    path.write_text(CONFIG + f"""
train_dataloader['dataset']['data_root'] = {str(digits)!r}
val_dataloader = dict(dataset=dict(data_root={str(digits)!r}))
""")
    return path


def train(config, work_dir, processes, batch, *words, options=()):
    """Train with the tool as a user would start it, with the same images in every step whatever the processes."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    start = [sys.executable, '-m', 'torch.distributed.run', f'--nproc_per_node={processes}', f'--master_port={port}']
    command = [*(start if processes > 1 else [sys.executable]), ROOT / 'tools' / 'train.py', config,
               *(['--launcher', 'pytorch'] if processes > 1 else []), '--work-dir', work_dir, *words,
               '--cfg-options', f'train_dataloader.batch_size={batch}', *options]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=240,
                          env={**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': '',
                               'SE_BACKBONES_TAIL': 'fused'})
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout + done.stderr


def weights(work_dir, iteration):
    return torch.load(work_dir / f'iter_{iteration}.pth', weights_only=False)['state_dict']


def assert_close(a, b):
    assert a.keys() == b.keys()
    for key in a:
        torch.testing.assert_close(a[key], b[key], rtol=1e-4, atol=1e-6, msg=lambda text, key=key: f'{key}: {text}')


def test_two_processes_equal_one_with_the_doubled_batch(config, tmp_path):
    train(config, tmp_path / 'one', 1, 16)
    train(config, tmp_path / 'two', 2, 8)
    start, one, two = weights(tmp_path / 'one', 3), weights(tmp_path / 'one', 6), weights(tmp_path / 'two', 6)
    assert any((start[key] - one[key]).abs().max() > 1e-3 for key in one), 'nothing was learnt in three steps'
    assert_close(one, two)


def test_a_run_goes_on_with_another_number_of_processes(config, tmp_path):
    """Three steps with two processes, three with one: the same weights as six steps with one."""
    train(config, tmp_path / 'whole', 1, 16)
    work_dir = tmp_path / 'changed'
    train(config, work_dir, 2, 8)
    (work_dir / 'iter_6.pth').unlink()
    (work_dir / 'last_checkpoint').write_text(str(work_dir / 'iter_3.pth'))
    assert 'resumed epoch: 0, iter: 3' in train(config, work_dir, 1, 16, '--resume')
    assert_close(weights(tmp_path / 'whole', 6), weights(work_dir, 6))


@pytest.mark.slow
def test_accumulated_gradients_equal_a_doubled_batch(config, tmp_path):
    train(config, tmp_path / 'one', 1, 16)
    train(config, tmp_path / 'halves', 1, 8, options=('optim_wrapper.accumulative_counts=2', 'train_cfg.max_iters=12'))
    assert_close(weights(tmp_path / 'one', 6), weights(tmp_path / 'halves', 12))


@pytest.mark.slow
def test_the_optimizers_state_is_split_over_two_processes(config, tmp_path):
    """ZeRO stage 1 without FlexibleRunner, as docs/scaling.md says: the weights are those of one process."""
    train(config, tmp_path / 'one', 1, 16)
    zero = ('optim_wrapper.optimizer.type=ZeroRedundancyOptimizer', 'optim_wrapper.optimizer.optimizer_type=SGD',
            'default_hooks.checkpoint.save_optimizer=False')
    train(config, tmp_path / 'split', 2, 8, options=zero)
    assert_close(weights(tmp_path / 'one', 6), weights(tmp_path / 'split', 6))


@pytest.mark.slow
def test_flexible_runner_trains_what_the_runner_does(config, tmp_path):
    train(config, tmp_path / 'runner', 1, 16)
    train(config, tmp_path / 'flexible', 1, 16, options=('runner_type=FlexibleRunner',
                                                         'strategy.type=SingleDeviceStrategy'))
    assert_close(weights(tmp_path / 'runner', 6), weights(tmp_path / 'flexible', 6))


@pytest.mark.slow
def test_the_learning_rate_is_scaled_to_the_batch(config, tmp_path):
    config.write_text(config.read_text() + 'auto_scale_lr = dict(base_batch_size=64, enable=False)\n')
    train(config, tmp_path / 'scaled', 1, 16, '--auto-scale-lr')
    train(config, tmp_path / 'written', 1, 16, options=('optim_wrapper.optimizer.lr=0.125',))
    assert_close(weights(tmp_path / 'scaled', 6), weights(tmp_path / 'written', 6))
