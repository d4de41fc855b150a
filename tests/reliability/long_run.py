"""Train a small digits detector, and print its memory as JSON: ``python long_run.py FOLDER ITERATIONS EVERY``.

Everything that a long run does is done: a log line every ten iterations, a checkpoint that replaces the one before, an
evaluation. In a process of its own no memory of others is counted or taken over.
"""

import gc
import json
import logging
import os
import sys
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner

import se_backbones
from se_backbones.lab.digits import make_digit_scenes


class Memory(Hook):
    """Note, every some iterations, the resident memory in bytes and the number of tensors that are alive."""

    priority = 'LOWEST'

    def __init__(self, every: int):
        self.every = every
        self.notes: list[tuple[int, int, int]] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if self.every_n_train_iters(runner, self.every):
            gc.collect()
            resident = int(Path('/proc/self/statm').read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')
            # By exact type: asking a lazy module for its class would import it.
            tensors = sum(issubclass(type(found), torch.Tensor) for found in gc.get_objects())
            self.notes.append((runner.iter + 1, resident, tensors))


def config(folder: Path, iterations: int) -> Config:
    """Return the GE detector of configs/digits, narrow and at 64 px, on scenes that are made in ``folder``."""
    scenes = make_digit_scenes(folder / 'scenes', num_train=16, num_val=6, size=64).root
    cfg = Config.fromfile(se_backbones.config_path('digits/faster_rcnn_ge_r18.py'))
    cfg.merge_from_dict({
        'work_dir': str(folder / 'run'), 'log_level': 'WARNING',
        'model.backbone.depth': (1, 1, 1, 1), 'model.backbone.block': 'basic', 'model.backbone.base_channels': 8,
        'model.neck.in_channels': [8, 16, 32, 64], 'model.neck.out_channels': 16,
        'model.rpn_head.in_channels': 16, 'model.rpn_head.feat_channels': 16,
        'model.roi_head.bbox_roi_extractor.out_channels': 16, 'model.roi_head.bbox_head.in_channels': 16,
        'model.roi_head.bbox_head.fc_out_channels': 32,
        'train_cfg': dict(_delete_=True, type='IterBasedTrainLoop', max_iters=iterations,
                          val_interval=max(1, iterations // 5)),
        'default_hooks.checkpoint.by_epoch': False, 'default_hooks.checkpoint.interval': max(1, iterations // 20),
        'log_processor.by_epoch': False, 'param_scheduler': [],
        'train_dataloader.batch_size': 1, 'train_dataloader.sampler': dict(type='InfiniteSampler', shuffle=True)})
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.data_root = f'{scenes}/'
        for step in loader.dataset.pipeline:
            if step.type == 'Resize':
                step.scale = (64, 64)
    cfg.test_dataloader, cfg.test_cfg, cfg.test_evaluator = None, None, None
    cfg.val_evaluator.ann_file = f'{scenes}/annotations/instances_val.json'
    return cfg


def train(folder: Path, iterations: int, every: int) -> list[tuple[int, int, int]]:
    """Return what :class:`Memory` notes of a run in ``folder``."""
    memory = Memory(every)
    runner = Runner.from_cfg(config(folder, iterations))
    runner.register_hook(memory)
    runner.train()
    return memory.notes


if __name__ == '__main__':
    torch.set_num_threads(1)
    logging.disable(logging.WARNING)
    print(json.dumps(train(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
