"""Kill a short run with SIGKILL at random moments, look at what is on the disk, resume it, compare its losses.

A run is a child made by fork, so that it starts in milliseconds, with shared memory in which it notes what it does. It
trains 1.2 million numbers with AdamW, so that a checkpoint has 14 MB and a save takes a visible part of the time; it
validates each epoch and keeps the last and the best checkpoint, one of each.
"""

import mmap
import os
import random
import signal
import struct
import time
from dataclasses import dataclass
from pathlib import Path

import matplotlib.figure  # noqa: F401 here and below: what a Runner imports, before the children are made
import torch
import torchvision  # noqa: F401
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.fileio import LocalBackend
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner, find_latest_checkpoint
from torch import nn

import se_backbones.engine  # noqa: F401
from se_backbones.engine.resume import damage, newest_intact

EPOCHS, PER_EPOCH = 10, 4
ITERATIONS = EPOCHS * PER_EPOCH
STAGES = ('training', 'collecting', 'writing', 'syncing', 'renaming', 'removing')
# Iterations done, iterations that a completed save holds, stage, saves begun; then a loss for each iteration.
_NOTES = struct.Struct('=4q')
_LOSSES = struct.Struct(f'={ITERATIONS}d')


class Notes:
    """What a child has done, in memory that it shares with its parent."""

    def __init__(self):
        self._memory = mmap.mmap(-1, _NOTES.size + _LOSSES.size)
        self.losses = [float('nan')] * ITERATIONS

    def _get(self, index):
        return struct.unpack_from('=q', self._memory, 8 * index)[0]

    def _set(self, index, value):
        struct.pack_into('=q', self._memory, 8 * index, value)

    done = property(lambda self: self._get(0), lambda self, value: self._set(0, value))
    saved = property(lambda self: self._get(1), lambda self, value: self._set(1, value))
    stage = property(lambda self: self._get(2), lambda self, value: self._set(2, value))
    saves = property(lambda self: self._get(3), lambda self, value: self._set(3, value))

    @property
    def losses(self):
        return list(_LOSSES.unpack_from(self._memory, _NOTES.size))

    @losses.setter
    def losses(self, values):
        _LOSSES.pack_into(self._memory, _NOTES.size, *values)

    def loss(self, iteration, value):
        struct.pack_into('=d', self._memory, _NOTES.size + 8 * iteration, value)


class _Net(BaseModel):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8, 1090), nn.Dropout(), nn.Linear(1090, 1090), nn.ReLU(),
                                    nn.Linear(1090, 1))

    def forward(self, inputs, mode='tensor'):
        out = self.layers(torch.stack(inputs))
        return dict(loss=out.square().mean()) if mode == 'loss' else list(out)


class _Data(torch.utils.data.Dataset):
    metainfo: dict = {}

    def __len__(self):
        return 2 * PER_EPOCH

    def __getitem__(self, index):
        return dict(inputs=torch.full((8,), float(index)) + random.random())


class _Score(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results += [float(sample) for sample in data_samples]

    def compute_metrics(self, results):
        return dict(score=random.random())  # now and then the best one so far


class _Noted(Hook):
    priority = 'HIGHEST'

    def __init__(self, notes):
        self.notes = notes

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.notes.loss(runner.iter, outputs['loss'].item())
        self.notes.done = runner.iter + 1


def _train(folder: Path, hook: str, resume: bool, notes: Notes, out_dir: Path | None) -> None:
    """Train in this process; every function that a save is made of notes its stage."""
    def noting(owner, name, stage, after=None):
        function = getattr(owner, name)

        def call(*args, **kwargs):
            before, notes.stage = notes.stage, STAGES.index(stage) if notes.stage or stage == 'collecting' else 0
            if stage == 'collecting' and not before:
                notes.saves += 1
            result = function(*args, **kwargs)
            if after:
                after(*args)
            notes.stage = before
            return result
        setattr(owner, name, call)
    # Both hooks inherit these two; the first returns when a save is complete.
    noting(CheckpointHook, '_save_checkpoint', 'collecting', lambda self, runner: setattr(notes, 'saved', runner.iter))
    noting(CheckpointHook, '_save_best_checkpoint', 'collecting')
    noting(LocalBackend, 'put', 'writing')
    noting(os, 'fsync', 'syncing')
    noting(os, 'replace', 'renaming')
    noting(os, 'remove', 'removing')
    Runner._log_env = lambda self, cfg: None  # asks compilers for their versions, in seconds
    torch.manual_seed(0)
    loader = dict(dataset=_Data(), batch_size=2, num_workers=0)
    Runner(
        _Net(), str(folder), train_dataloader=dict(loader, sampler=dict(type='DefaultSampler', shuffle=True)),
        val_dataloader=dict(loader, sampler=dict(type='DefaultSampler', shuffle=False)), val_cfg=dict(),
        val_evaluator=Evaluator(_Score()), train_cfg=dict(by_epoch=True, max_epochs=EPOCHS),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3)), randomness=dict(seed=0), resume=resume,
        default_hooks=dict(checkpoint=dict(type=hook, interval=1, max_keep_ckpts=1, save_best='score',
                                           rule='greater', out_dir=out_dir and str(out_dir))),
        # runner.iter counts an iteration after its hooks, in which an epoch's last save has happened.
        custom_hooks=[_Noted(notes)], log_level='ERROR').train()


def start(folder: Path, hook: str, resume: bool, notes: Notes, out_dir: Path | None = None) -> int:
    """Return the id of a new process that trains in ``folder``, with checkpoints there or in ``out_dir``.

    It ends with status 0 when it has trained all iterations.
    """
    child = os.fork()
    if child:
        return child
    try:
        with open(os.devnull, 'w') as nowhere:
            os.dup2(nowhere.fileno(), 1)
            os.dup2(nowhere.fileno(), 2)
        _train(folder, hook, resume, notes, out_dir)
        os._exit(0)
    finally:
        os._exit(1)


@dataclass(frozen=True)
class Kill:
    """One kill, and what came of it.

    Attributes:
        stage: What the run was doing.
        saved: Iterations in its last completed save; 0: it had none.
        resumed: Iterations in the checkpoint that is resumed; 0: none was there. None: it cannot be resumed.
        best: Whether the best checkpoint that it names is whole.
        same: Whether the resumed run ended after all iterations with the losses of the uninterrupted run.
    """

    stage: str
    saved: int
    resumed: int | None
    best: bool
    same: bool

    @property
    def lost(self) -> bool:
        """Whether a completed save was lost, or the resumed run was another one."""
        return self.resumed is None or self.resumed < self.saved or not self.best or not self.same


def reference(folder: Path, hook: str) -> tuple[list[float], float, float]:
    """Return an uninterrupted run's losses, its seconds, and those of one of its saves."""
    notes, begin = Notes(), time.perf_counter()
    child, saving = start(folder, hook, False, notes), 0
    samples = 0
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        samples += 1
        saving += notes.stage > 0
        time.sleep(0.0005)
    seconds = time.perf_counter() - begin
    assert notes.done == ITERATIONS, f'the uninterrupted run ended after {notes.done} iterations'
    return notes.losses, seconds, seconds * saving / samples / notes.saves


def kill(folder: Path, hook: str, inside: bool, losses: list[float], seconds: float, save_seconds: float,
         draw: random.Random) -> Kill:
    """Start a run in ``folder``, kill it at a random moment, resume it.

    Args:
        folder: A new folder.
        hook: The checkpoint hook's type.
        inside: Whether the moment is counted from the beginning of a random save, and within its usual duration; else
            it is any moment of the run.
        losses, seconds, save_seconds: Of :func:`reference`.
        draw: Chooses the moment.
    """
    notes = Notes()
    child = start(folder, hook, False, notes)
    begin, when = time.perf_counter(), draw.uniform(0, seconds)
    if inside:
        save = draw.randint(2, EPOCHS)
        while notes.saves < save and notes.done < ITERATIONS:
            time.sleep(0.0001)
        begin, when = time.perf_counter(), draw.uniform(0, save_seconds)
    time.sleep(max(0, begin + when - time.perf_counter()))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    stage, saved = STAGES[notes.stage], notes.saved
    if hook == 'CheckpointHook':
        resumed, best = _found(find_latest_checkpoint(str(folder)))
        return Kill(stage, saved, resumed, best, resumed is not None)
    _, best = _found(newest_intact(folder))
    before, notes = notes, Notes()
    status = os.waitstatus_to_exitcode(os.waitpid(start(folder, hook, True, notes), 0)[1])
    again = notes.losses
    first = next((k for k, loss in enumerate(again) if loss == loss), ITERATIONS)
    same = (notes.done == ITERATIONS or first == ITERATIONS) and again[first:] == losses[first:] and before.losses[
        :before.done] == losses[:before.done]
    return Kill(stage, saved, first if status == 0 else None, best, same)


def _found(checkpoint: str | None) -> tuple[int | None, bool]:
    """Return the iterations in a checkpoint, None if it is damaged, and whether the best one that it names is whole."""
    if checkpoint is None:
        return 0, True
    if damage(checkpoint):
        return None, False
    content = torch.load(checkpoint, weights_only=False)
    best = content['message_hub']['runtime_info'].get('best_ckpt')
    return content['meta']['iter'], best is None or damage(best) is None
