"""Kill a short run with SIGKILL at random moments, look at what is on the disk, resume it, compare its losses.

A run is a child made by fork, or one for each rank, so that it starts in milliseconds, with shared memory in which it
notes what it does. So all of this happens in a process that computes nothing itself (conftest.py): a fork lacks its
parent's threads, and would wait for them for ever. A run trains 1.2 million numbers with AdamW, so that a checkpoint
has 14 MB and a save takes a visible part of the time; it validates each epoch and keeps the last and the best
checkpoint, one of each.
"""

import mmap
import os
import random
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import traceback
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
from torch import distributed, nn

import se_backbones.engine  # noqa: F401
from se_backbones.engine.resume import damage, newest_intact

PER_EPOCH = 4
STAGES = ('training', 'collecting', 'writing', 'syncing', 'renaming', 'removing')
# Iterations done, iterations that a completed save holds, stage, saves begun.
_NOTES = struct.Struct('=4q')


class Notes:
    """What a child has done, in memory that it shares with its parent."""

    def __init__(self, iterations):
        self._losses = struct.Struct(f'={iterations}d')
        self._memory = mmap.mmap(-1, _NOTES.size + self._losses.size)
        for iteration in range(iterations):
            self.loss(iteration, float('nan'))

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
        return list(self._losses.unpack_from(self._memory, _NOTES.size))

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

    def __init__(self, augmented):
        self.augmented = augmented

    def __len__(self):
        return 2 * PER_EPOCH

    def __getitem__(self, index):
        return dict(inputs=torch.full((8,), float(index)) + (random.random() if self.augmented else 0))


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


@dataclass(frozen=True)
class Setting:
    """What is run.

    Attributes:
        hook: The checkpoint hook's type.
        workers: Data-loader workers. With them samples are not augmented: a resumed run's workers draw other numbers.
        ranks: Processes that train together.
        epochs: Of four iterations.
        out_dir: Folder of the checkpoints, if it is not that of the run.
    """

    hook: str
    workers: int = 0
    ranks: int = 1
    epochs: int = 10
    out_dir: Path | None = None

    @property
    def iterations(self) -> int:
        return self.epochs * PER_EPOCH


def _train(folder: Path, setting: Setting, resume: bool, notes: Notes) -> None:
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
    loader = dict(dataset=_Data(setting.workers == 0), batch_size=2 // setting.ranks, num_workers=setting.workers)
    alone = setting.ranks == 1
    Runner(
        _Net(), str(folder), train_dataloader=dict(loader, sampler=dict(type='DefaultSampler', shuffle=True)),
        val_dataloader=dict(loader, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False)), val_cfg=dict(),
        val_evaluator=Evaluator(_Score()), train_cfg=dict(by_epoch=True, max_epochs=setting.epochs),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=1e-3)), randomness=dict(seed=0), resume=resume,
        default_hooks=dict(checkpoint=dict(
            type=setting.hook, interval=1, max_keep_ckpts=1, save_best='score', rule='greater',
            out_dir=setting.out_dir and str(setting.out_dir))),
        launcher='none' if alone else 'pytorch', cfg=dict(model_wrapper_cfg=None if alone else dict(
            type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)),
        # runner.iter counts an iteration after its hooks, in which an epoch's last save has happened.
        custom_hooks=[_Noted(notes)], log_level='ERROR').train()


class Run:
    """A training in new processes, one for each rank.

    Args:
        folder: The work dir.
        setting: What is run.
        resume: Whether it goes on from what is in the folder.
    """

    def __init__(self, folder: Path, setting: Setting, resume: bool = False):
        self.notes = [Notes(setting.iterations) for _ in range(setting.ranks)]
        self.errors = ''
        self._setting = setting
        # Where ranks find each other.
        self._store = tempfile.mkdtemp()
        self._children = {self._fork(rank, folder, setting, resume): None for rank in range(setting.ranks)}

    def _fork(self, rank: int, folder: Path, setting: Setting, resume: bool) -> int:
        child = os.fork()
        if child:
            return child
        try:
            with open(os.devnull, 'w') as nowhere:
                os.dup2(nowhere.fileno(), 1)
                os.dup2(nowhere.fileno(), 2)
            os.environ['LOCAL_RANK'] = str(rank)
            if setting.ranks > 1:
                distributed.init_process_group('gloo', init_method=f'file://{self._store}/group', rank=rank,
                                               world_size=setting.ranks)
            _train(folder, setting, resume, self.notes[rank])
            os._exit(0)
        except BaseException:
            (Path(self._store) / f'errors_{rank}').write_text(traceback.format_exc())
        finally:
            os._exit(1)

    @property
    def first(self) -> int:
        """The first iteration that it trained."""
        return next((k for k, loss in enumerate(self.notes[0].losses) if loss == loss), self._setting.iterations)

    @property
    def running(self) -> bool:
        """Whether a process is still there."""
        for child, status in self._children.items():
            if status is None and (ended := os.waitpid(child, os.WNOHANG)) != (0, 0):
                self._children[child] = os.waitstatus_to_exitcode(ended[1])
        return None in self._children.values()

    def kill(self) -> None:
        """Kill all processes, one after the other, as nobody can do it at once."""
        for child, status in self._children.items():
            if status is None:
                os.kill(child, signal.SIGKILL)
        self.wait()

    def wait(self) -> bool:
        """Return, once it has ended, whether it trained all iterations; ``errors`` are then what it failed with."""
        while self.running:
            time.sleep(0.001)
        self.errors += ''.join(file.read_text() for file in sorted(Path(self._store).glob('errors_*')))
        shutil.rmtree(self._store, ignore_errors=True)
        return not any(self._children.values())


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


@dataclass(frozen=True)
class Reference:
    """An uninterrupted run.

    Attributes:
        losses: Of each rank.
        seconds: Of the run.
        save_seconds: Of one of its saves.
    """

    losses: list[list[float]]
    seconds: float
    save_seconds: float


def reference(folder: Path, setting: Setting) -> Reference:
    """Train without an interruption."""
    begin, run = time.perf_counter(), Run(folder, setting)
    first, saving, samples = run.notes[0], 0, 0
    while run.running:
        samples += 1
        saving += first.stage > 0
        time.sleep(0.0005)
    seconds = time.perf_counter() - begin
    assert run.wait() and first.done == setting.iterations, f'the uninterrupted run ended early: {run.errors[-2000:]}'
    return Reference([notes.losses for notes in run.notes], seconds, seconds * saving / samples / first.saves)


def kill(folder: Path, setting: Setting, inside: bool, whole: Reference, draw: random.Random) -> Kill:
    """Start a run in ``folder``, kill it at a random moment, resume it.

    Args:
        folder: A new folder.
        setting: What is run.
        inside: Whether the moment is counted from the beginning of a random save, and within its usual duration; else
            it is any moment of the run.
        whole: The same run without interruption.
        draw: Chooses the moment.
    """
    run = Run(folder, setting)
    notes = run.notes[0]
    begin, when = time.perf_counter(), draw.uniform(0, whole.seconds)
    if inside:
        save = draw.randint(2, setting.epochs)
        while notes.saves < save and notes.done < setting.iterations:
            time.sleep(0.0001)
        begin, when = time.perf_counter(), draw.uniform(0, whole.save_seconds)
    time.sleep(max(0, begin + when - time.perf_counter()))
    run.kill()
    stage, saved = STAGES[notes.stage], notes.saved
    if setting.hook == 'CheckpointHook':
        resumed, best = _found(find_latest_checkpoint(str(folder)))
        return Kill(stage, saved, resumed, best, resumed is not None)
    _, best = _found(newest_intact(folder))
    again = Run(folder, setting, resume=True)
    ended = again.wait()
    first = again.first
    count = setting.iterations
    same = (again.notes[0].done == count or first == count) and all(
        after.losses[first:] == losses[first:] and before.losses[:before.done] == losses[:before.done]
        for before, after, losses in zip(run.notes, again.notes, whole.losses, strict=True))
    return Kill(stage, saved, first if ended else None, best, same)


def killed(folder: Path, setting: Setting, inside: int, anywhere: int) -> list[Kill]:
    """Kill runs until ``inside`` of them died in a save, and ``anywhere`` more at any moment."""
    whole = reference(folder / 'whole', setting)
    draw, results = random.Random(0), []
    while sum(kill.stage != 'training' for kill in results) < inside or len(results) < inside + anywhere:
        assert len(results) < 5 * (inside + anywhere), 'the kills do not hit the saves'
        in_a_save = sum(kill.stage != 'training' for kill in results) < inside
        results.append(kill(folder / 'run', setting, in_a_save, whole, draw))
        shutil.rmtree(folder / 'run', ignore_errors=True)
    return results


def second_trainings(folder: Path, setting: Setting, count: int) -> tuple[list[str], bool]:
    """Train while ``count`` others are started in the same folder, new or resuming; return what each of them wrote and
    whether the first one ended as if it had been alone."""
    draw = random.Random(0)
    whole = reference(folder / 'whole', setting)
    errors, untouched = [], True
    while len(errors) < count:
        first = Run(folder / 'run', setting)
        while not first.notes[0].done:
            assert first.running, f'the first run ended too early: {first.wait() or first.errors[-2000:]}'
        time.sleep(draw.uniform(0, whole.seconds / 4))
        second = Run(folder / 'run', setting, resume=len(errors) % 2 == 1)
        ended = second.wait()
        overlapped = first.running
        untouched &= first.wait() and first.notes[0].losses == whole.losses[0]
        if overlapped:
            errors.append('' if ended or second.notes[0].done else second.errors)
        shutil.rmtree(folder / 'run')
    return errors, untouched


def trouble(folder: Path, disk: Path, hook: str, kind: str) -> tuple[bool, int, int]:
    """Train with checkpoints on a disk that becomes ``'full'`` or ``'read-only'``, and resume once it is well.

    Returns:
        Whether something was lost, the first iteration of the resumed run, and how many the stopped one did.
    """
    whole = reference(folder / 'whole', Setting(hook))
    setting = Setting(hook, out_dir=disk)
    run = Run(folder / 'run', setting)
    while run.notes[0].saved < 8:
        assert run.running, 'the run ended too early'
    if kind == 'full':
        (disk / 'filler').write_bytes(bytes(max(0, shutil.disk_usage(disk).free - 2**20)))
    else:
        # Refused while a file is being written: again, until it is between two saves.
        while subprocess.run(['mount', '-o', 'remount,ro', disk], capture_output=True).returncode:
            assert run.running, 'the run ended too early'
    assert not run.wait(), 'the run did not notice'
    assert 'CheckpointNotSavedError' in run.errors
    if kind == 'full':
        (disk / 'filler').unlink()
    else:
        subprocess.run(['mount', '-o', 'remount,rw', disk], check=True)
    again = Run(folder / 'run', setting, resume=True)
    ended, first, done = again.wait(), again.first, run.notes[0].done
    lost = not ended or first < run.notes[0].saved or again.notes[0].losses[first:] != whole.losses[0][first:]
    return lost, first, done


def _found(checkpoint: str | None) -> tuple[int | None, bool]:
    """Return the iterations in a checkpoint, None if it is damaged, and whether the best one that it names is whole."""
    if checkpoint is None:
        return 0, True
    if damage(checkpoint):
        return None, False
    content = torch.load(checkpoint, weights_only=False)
    best = content['message_hub']['runtime_info'].get('best_ckpt')
    return content['meta']['iter'], best is None or damage(best) is None
