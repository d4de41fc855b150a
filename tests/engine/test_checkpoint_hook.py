"""se_backbones.CheckpointHook on a network of three numbers: what is on the disk at each moment, and what a resumed run
computes."""

import errno
import fcntl
import itertools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import nullcontext
from pathlib import Path

import mmengine
import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.fileio import LocalBackend
from mmengine.hooks import EMAHook, Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import nn

from se_backbones.engine import checkpoint_hook, work_dir_lock
from se_backbones.engine.checkpoint_hook import CheckpointHook, CheckpointNotSavedError, OtherEpochsError
from se_backbones.engine.resume import DamagedCheckpointError, damage, newest_intact
from se_backbones.engine.work_dir_lock import FolderInUseError
from se_backbones.utils import atomic

pytestmark = pytest.mark.any_device

_runs = itertools.count()
# What another process runs, without the package, whose imports take seconds.
OCCUPY = f'import runpy, sys; runpy.run_path({work_dir_lock.__file__!r})["lock_work_dir"](sys.argv[1])'


class Net(BaseModel):
    """A linear layer behind dropout, which draws from torch's generator."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1)

    def forward(self, inputs, mode='tensor', **_):
        out = self.linear(nn.functional.dropout(torch.stack(inputs).float(), 0.5, self.training))
        return dict(loss=out.square().mean()) if mode == 'loss' else list(out)


class Data(torch.utils.data.Dataset):
    """Eight samples, augmented with Python's and NumPy's generators."""

    metainfo: dict = {}

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return dict(inputs=torch.tensor([index + random.random(), np.random.rand()]))


class Scores(BaseMetric):
    """Each validation's score is the next of a list."""

    def __init__(self, scores):
        super().__init__()
        self.scores = iter(scores)

    def process(self, data_batch, data_samples):
        self.results.append(random.random())  # validation draws too

    def compute_metrics(self, results):
        score = next(self.scores)
        return dict(score=score, other=score)


class Record(Hook):
    """Keep each iteration's loss, and stop like a kill after ``end`` iterations; runs after all other hooks."""

    priority = 'LOWEST'

    def __init__(self, end=None):
        self.losses = []
        self.end = end

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append((runner.iter, outputs['loss'].item()))
        if runner.iter + 1 == self.end:
            raise Killed


class Killed(BaseException):
    """Stands for a kill: nothing handles it."""


def runner(work_dir, *, seed=0, scores=None, by_epoch=True, sampler='DefaultSampler', epochs=4, resume=False,
           load_from=None, record=None, end=None, hook=None, log_level='WARNING', schedule=None, batch_size=2):
    """A run of four epochs of four iterations, or of sixteen iterations, with a validation every four."""
    loader = dict(dataset=Data(), batch_size=batch_size, num_workers=0)
    val = {} if scores is None else dict(
        val_dataloader=dict(loader, sampler=dict(type='DefaultSampler', shuffle=False)), val_cfg=dict(),
        val_evaluator=Evaluator(Scores(scores)))
    loop = dict(by_epoch=True, max_epochs=epochs) if by_epoch else dict(by_epoch=False, max_iters=4 * epochs)
    torch.manual_seed(0)
    return Runner(
        Net(), str(work_dir), train_dataloader=dict(loader, sampler=dict(type=sampler, shuffle=True)),
        train_cfg=dict(loop, val_interval=1 if by_epoch else 4), optim_wrapper=dict(optimizer=dict(
            type='AdamW', lr=0.05)),
        param_scheduler=schedule or dict(type='ExponentialLR', gamma=0.9, by_epoch=by_epoch),
        default_hooks=dict(checkpoint=dict(dict(type='se_backbones.CheckpointHook', interval=1 if by_epoch else 3,
                                                by_epoch=by_epoch, max_keep_ckpts=1), **(hook or {}))),
        custom_hooks=[record or Record(end)], randomness=dict(seed=seed), resume=resume, load_from=load_from,
        experiment_name=f'hook_{next(_runs)}', log_level=log_level, **val)


def checkpoints(folder):
    return sorted(path.name for path in Path(folder).iterdir() if path.suffix in ('.pth', '.partial'))


def broken(path):
    """Flip bytes in the middle of a tensor, which torch loads without a word."""
    with zipfile.ZipFile(path) as archive:
        entry = max(archive.infolist(), key=lambda entry: entry.file_size)
    content = bytearray(path.read_bytes())
    place = content.index(entry.filename.encode(), 0) + len(entry.filename) + 200
    content[place] ^= 0xff
    path.write_bytes(bytes(content))


def test_each_save_is_complete_before_the_one_that_it_replaces_is_removed(tmp_path, monkeypatch):
    """At every call that changes a file, a whole checkpoint is there, from the first save on."""
    seen = []

    def watched(function):
        def call(*args, **kwargs):
            seen.append(checkpoints(tmp_path))
            return function(*args, **kwargs)
        return call
    for name in ('replace', 'fsync', 'unlink', 'remove'):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))
    runner(tmp_path).train()
    monkeypatch.undo()
    first = next(i for i, names in enumerate(seen) if 'epoch_1.pth' in names)
    assert all(any(name.endswith('.pth') for name in names) for names in seen[first:])
    assert ['epoch_3.pth', 'epoch_4.pth.partial'] in seen and ['epoch_3.pth', 'epoch_4.pth'] in seen
    assert checkpoints(tmp_path) == ['epoch_4.pth']
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'epoch_4.pth')


@pytest.mark.parametrize('keep', [-1, 1, 2])
def test_as_many_checkpoints_stay_as_with_mmengines_hook(tmp_path, keep):
    for name, kind in (('ours', 'se_backbones.CheckpointHook'), ('theirs', 'CheckpointHook')):
        runner(tmp_path / name, scores=[1, 3, 2, 4], hook=dict(type=kind, max_keep_ckpts=keep, save_best='score',
                                                              rule='greater')).train()
    assert checkpoints(tmp_path / 'ours') == checkpoints(tmp_path / 'theirs')


def test_a_name_that_every_save_has_is_replaced_and_not_removed(tmp_path):
    runner(tmp_path, hook=dict(filename_tmpl='latest.pth')).train()
    assert checkpoints(tmp_path) == ['latest.pth'] and damage(tmp_path / 'latest.pth') is None


def test_where_files_are_not_local_they_are_saved_in_place(tmp_path, monkeypatch):
    """Their names cannot be changed after the fact: the backend makes them appear at once."""
    class Elsewhere(LocalBackend):
        pass
    monkeypatch.setattr(checkpoint_hook, 'LocalBackend', Elsewhere)
    names, save = [], Runner.save_checkpoint
    monkeypatch.setattr(Runner, 'save_checkpoint', lambda self, out_dir, filename, *args, **kwargs: (
        names.append(filename), save(self, out_dir, filename, *args, **kwargs)))
    runner(tmp_path, epochs=1).train()
    assert names == checkpoints(tmp_path) == ['epoch_1.pth']


def test_the_previous_best_stays_until_the_new_one_and_the_checkpoint_that_names_it_are_complete(tmp_path, monkeypatch):
    seen = []
    unlink = os.remove
    monkeypatch.setattr(os, 'remove', lambda path: (seen.append((Path(path).name, checkpoints(tmp_path))),
                                                    unlink(path)))
    runner(tmp_path, scores=[1, 2, 2, 2], hook=dict(save_best='score', rule='greater')).train()
    assert ('best_score_epoch_1.pth', ['best_score_epoch_1.pth', 'best_score_epoch_2.pth', 'epoch_2.pth']) in seen
    assert checkpoints(tmp_path) == ['best_score_epoch_2.pth', 'epoch_4.pth']
    hub = torch.load(tmp_path / 'epoch_4.pth', weights_only=False)['message_hub']['runtime_info']
    assert Path(hub['best_ckpt']).name == 'best_score_epoch_2.pth'


@pytest.mark.parametrize('died', ['before the rename', 'before the removal'])
def test_a_run_that_died_in_a_save_leaves_no_rubbish_once_it_is_resumed(tmp_path, monkeypatch, died):
    first = runner(tmp_path)
    replace = os.replace

    def dies(source, target):
        if died == 'before the rename' and 'epoch_2' in str(target):
            raise Killed
        replace(source, target)
        if died == 'before the removal' and 'last_checkpoint' in str(target) and 'epoch_2' in Path(target).read_text():
            raise Killed
    monkeypatch.setattr(os, 'replace', dies)
    with pytest.raises(Killed):
        first.train()
    monkeypatch.undo()
    left = dict(zip(('before the rename', 'before the removal'),
                    (['epoch_1.pth', 'epoch_2.pth.partial'], ['epoch_1.pth', 'epoch_2.pth']), strict=True))[died]
    assert checkpoints(tmp_path) == left
    record = Record()
    runner(tmp_path, resume=True, record=record).train()
    assert [k for k, _ in record.losses] == list(range(4 if died == 'before the rename' else 8, 16))
    assert checkpoints(tmp_path) == ['epoch_4.pth']


@pytest.mark.parametrize(('settings', 'end', 'start'), [
    (dict(), 10, 8),
    (dict(scores=[1, 2, 3, 4]), 10, 8),
    (dict(scores=[1, 2, 3, 4], hook=dict(save_best='score', rule='greater')), 10, 8),
    (dict(seed=None), 10, 8),
    (dict(by_epoch=False, sampler='InfiniteSampler'), 8, 6),
    (dict(by_epoch=False, sampler='InfiniteSampler', seed=None), 8, 6),
    (dict(by_epoch=False, sampler='DefaultSampler', scores=[1, 2, 3, 4]), 8, 6),
], ids=['epochs', 'validation', 'save_best', 'no seed', 'iterations', 'iterations, no seed', 'iterations, validation'])
def test_a_resumed_run_has_the_losses_of_an_uninterrupted_one(tmp_path, monkeypatch, settings, end, start):
    monkeypatch.setattr('time.sleep', lambda seconds: None)  # mmengine's, between the passes of a finite sampler
    # Without a seed in the config the two runs would differ from the beginning: both draw this one.
    if settings.get('seed', 0) is None:
        monkeypatch.setattr('mmengine.runner.utils.sync_random_seed', lambda *a: 7)
    whole, first, rest = Record(), Record(end), Record()
    runner(tmp_path / 'whole', record=whole, **settings).train()
    with pytest.raises(Killed):
        runner(tmp_path / 'cut', record=first, **settings).train()
    if settings.get('seed', 0) is None:
        monkeypatch.setattr('mmengine.runner.utils.sync_random_seed', lambda *a: 8)
    scores = settings.get('scores')
    # What a resumed run goes on from is validated again.
    left = dict(settings, scores=scores and scores[start // 4 - (start % 4 == 0):])
    runner(tmp_path / 'cut', record=rest, resume=True, **left).train()
    assert rest.losses[0][0] == start
    assert first.losses == whole.losses[:end]
    assert rest.losses == whole.losses[start:]


def test_a_resumed_run_counts_the_plateau_that_its_checkpoint_was_saved_before(tmp_path):
    schedule = dict(type='ReduceOnPlateauLR', monitor='score', rule='greater', patience=1, factor=0.1)
    rates = {}
    for name, ends in (('whole', [None]), ('cut', [10, 14, None])):
        for end in ends:
            run = runner(tmp_path / name, scores=[1.0] * 4, schedule=schedule, resume=end != ends[0], end=end)
            with pytest.raises(Killed) if end else nullcontext():
                run.train()
        rates[name] = run.optim_wrapper.param_groups[0]['lr']
    assert rates['cut'] == rates['whole'] == pytest.approx(0.005)


def test_a_plateau_is_not_counted_twice_where_a_new_best_score_was_saved_after_its_validation(tmp_path):
    """mmengine saves the epoch's checkpoint anew then, with the schedule as the validation left it."""
    rates = {}
    for name, ends, scores in (('whole', [None], [[1, 2, 2, 2]]), ('cut', [10, None], [[1, 2, 2, 2], [2, 2, 2]])):
        for end, each in zip(ends, scores, strict=True):
            run = runner(tmp_path / name, scores=each, resume=end != ends[0], end=end,
                         schedule=dict(type='ReduceOnPlateauLR', monitor='score', rule='greater', patience=1),
                         hook=dict(save_best='score', rule='greater'))
            with pytest.raises(Killed) if end else nullcontext():
                run.train()
        rates[name] = run.optim_wrapper.param_groups[0]['lr']
    assert rates['cut'] == rates['whole'] == 0.05


def test_averaged_weights_go_on_though_a_resumed_run_begins_with_a_validation(tmp_path):
    """A validation exchanges them with the trained ones."""
    def train(name, scores, **kwargs):
        run = runner(tmp_path / name, scores=scores, hook=dict(save_best='score', rule='greater'), **kwargs)
        run.register_hook(EMAHook(momentum=0.1))
        run.train()
    train('whole', [1.0, 2.0, 3.0, 4.0])
    with pytest.raises(Killed):
        train('cut', [1.0, 2.0, 3.0, 4.0], end=10)
    train('cut', [2.0, 3.0, 4.0], resume=True)
    whole, cut = (torch.load(tmp_path / name / 'epoch_4.pth', weights_only=False) for name in ('whole', 'cut'))
    for part in ('state_dict', 'ema_state_dict'):
        for name, value in whole[part].items():
            assert torch.equal(cut[part][name], value), (part, name)
    assert checkpoints(tmp_path / 'cut') == checkpoints(tmp_path / 'whole')


@pytest.mark.parametrize('before', [None, [1, 2, 3, 4]], ids=['before its end', 'after its end'])
def test_a_run_that_was_killed_in_its_last_validation_is_validated(tmp_path, before):
    runner(tmp_path, scores=before, hook=dict(save_best='score', rule='greater')).train()
    again = runner(tmp_path, scores=[5.0], resume=True, hook=dict(save_best='score', rule='greater'))
    again.train()
    assert again.message_hub.get_info('best_score') == 5.0 and again.iter == 16


def test_epochs_of_another_length_are_refused(tmp_path):
    """The checkpoint has the learning rate and the schedule."""
    with pytest.raises(Killed):
        runner(tmp_path, end=10).train()
    with pytest.raises(OtherEpochsError, match='An epoch had 4 iterations .* and now has 8'):
        runner(tmp_path, resume=True, batch_size=1).train()


def test_without_the_random_state_the_losses_would_differ(tmp_path, monkeypatch):
    monkeypatch.setattr('se_backbones.engine.random_state.restore', lambda state: None)
    whole, rest = Record(), Record()
    runner(tmp_path / 'whole', record=whole).train()
    with pytest.raises(Killed):
        runner(tmp_path / 'cut', end=10).train()
    runner(tmp_path / 'cut', record=rest, resume=True).train()
    assert [k for k, _ in rest.losses] == list(range(8, 16)) and rest.losses != whole.losses[8:]


def test_a_checkpoint_of_mmengines_hook_is_resumed_and_the_log_says_what_differs(tmp_path):
    with pytest.raises(Killed):
        runner(tmp_path, end=10, hook=dict(type='CheckpointHook')).train()
    record = Record()
    resumed = runner(tmp_path, resume=True, record=record, log_level='INFO')
    resumed.train()
    assert [k for k, _ in record.losses] == list(range(8, 16))
    log = next(tmp_path.rglob(f'{resumed.timestamp}*.log')).read_text()
    assert 'the checkpoint holds no random state' in log


def test_the_random_state_loads_without_running_code(tmp_path):
    runner(tmp_path, epochs=1).train()
    state = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['random_state']
    torch.save(state, tmp_path / 'state.pth')
    again = torch.load(tmp_path / 'state.pth', weights_only=True)
    assert again['iter'] == 4 and len(again['ranks']) == 1
    assert set(again['ranks'][0]) >= {'python', 'numpy', 'torch', 'sampler_seeds'}


@pytest.mark.parametrize('harm', ['flipped', 'short', 'empty', 'gone'])
def test_a_damaged_newest_file_is_named_and_the_one_before_is_used(tmp_path, harm):
    runner(tmp_path, hook=dict(max_keep_ckpts=2)).train()
    newest = tmp_path / 'epoch_4.pth'
    if harm == 'flipped':
        broken(newest)
        torch.load(newest, weights_only=False)  # torch does not see it
    elif harm == 'gone':
        newest.unlink()
    else:
        newest.write_bytes(newest.read_bytes()[:-100] if harm == 'short' else b'')
    record = Record()
    resumed = runner(tmp_path, resume=True, record=record, hook=dict(max_keep_ckpts=2))
    resumed.train()
    assert [k for k, _ in record.losses] == [12, 13, 14, 15]
    log = next(tmp_path.rglob(f'{resumed.timestamp}*.log')).read_text()
    assert f'{newest} is damaged: ' in log and 'epoch_3.pth, the one before' in log
    assert damage(newest) is None


def test_no_whole_checkpoint_is_an_error_that_names_each_and_starts_nothing_anew(tmp_path):
    runner(tmp_path, epochs=2, hook=dict(max_keep_ckpts=2)).train()
    for name in ('epoch_1.pth', 'epoch_2.pth'):
        broken(tmp_path / name)
    record = Record()
    with pytest.raises(DamagedCheckpointError) as error:
        runner(tmp_path, resume=True, record=record).train()
    assert all(f'{tmp_path / name} is damaged: the checksum of' in str(error.value)
               for name in ('epoch_1.pth', 'epoch_2.pth'))
    assert not record.losses


def test_a_damaged_file_that_is_named_is_refused(tmp_path):
    runner(tmp_path, epochs=1).train()
    broken(tmp_path / 'epoch_1.pth')
    with pytest.raises(DamagedCheckpointError, match=r'epoch_1\.pth is damaged: the checksum of .* Resume without'):
        runner(tmp_path, resume=True, load_from=str(tmp_path / 'epoch_1.pth')).train()


def test_resume_begins_at_the_start_where_nothing_was_saved(tmp_path):
    record = Record()
    runner(tmp_path, epochs=1, resume=True, record=record).train()
    assert [k for k, _ in record.losses] == [0, 1, 2, 3]


@pytest.fixture
def saved(tmp_path):
    """A folder with three whole files under the names of checkpoints, and no last_checkpoint."""
    for step in (2, 9, 10):
        torch.save({}, tmp_path / f'epoch_{step}.pth')
    (tmp_path / 'epoch_11.pth.partial').touch()
    torch.save({}, tmp_path / 'best_score_epoch_12.pth')
    return tmp_path


@pytest.mark.parametrize(('pointer', 'chosen'), [
    (None, 'epoch_10.pth'),  # died between the first save and its last_checkpoint
    ('', 'epoch_10.pth'),  # mmengine's own hook died while writing it
    ('epoch_9.pth', 'epoch_9.pth'),  # 10 is of an earlier run
    ('epoch_8.pth', 'epoch_2.pth'),
    ('best_score_epoch_12.pth', 'best_score_epoch_12.pth'),
])
def test_last_checkpoint_decides_and_else_the_highest_number_before_it(saved, pointer, chosen):
    if pointer is not None:
        (saved / 'last_checkpoint').write_text(pointer and str(saved / pointer))
    assert newest_intact(saved) == str(saved / chosen)


def test_a_work_dir_that_was_moved_is_resumed(saved):
    (saved / 'last_checkpoint').write_text('/no/such/folder/epoch_9.pth')
    assert newest_intact(saved) == str(saved / 'epoch_9.pth')


def test_a_work_dir_that_was_moved_is_resumed_though_another_run_has_taken_its_place(saved, tmp_path):
    (tmp_path / 'old_place').mkdir()
    shutil.copy(saved / 'epoch_2.pth', tmp_path / 'old_place' / 'epoch_9.pth')
    (saved / 'last_checkpoint').write_text(str(tmp_path / 'old_place' / 'epoch_9.pth'))
    assert newest_intact(saved) == str(saved / 'epoch_9.pth')
    # And where checkpoints have a folder of their own.
    (tmp_path / 'work').mkdir()
    shutil.copy(saved / 'last_checkpoint', tmp_path / 'work')
    assert newest_intact(tmp_path / 'work', saved) == str(saved / 'epoch_9.pth')


@pytest.mark.parametrize('best', ['score', ['score', 'other']], ids=str)
def test_the_best_checkpoint_of_a_folder_that_was_copied_is_its_own(tmp_path, best):
    settings = dict(scores=[3, 2, 1, 0], hook=dict(save_best=best, rule='greater'))
    runner(tmp_path / 'a', epochs=1, **settings).train()
    shutil.copytree(tmp_path / 'a', tmp_path / 'b')
    copied = runner(tmp_path / 'b', resume=True, epochs=2, **settings)
    copied.train()
    hook = next(hook for hook in copied.hooks if isinstance(hook, CheckpointHook))
    paths = [hook.best_ckpt_path] if best == 'score' else list(hook.best_ckpt_path_dict.values())
    assert {Path(path).parent for path in paths} == {tmp_path / 'b'} and all(map(os.path.exists, paths))
    for path in (tmp_path / 'b').glob('best_*'):
        path.unlink()
    again = runner(tmp_path / 'b', resume=True, epochs=3, **settings)
    again.train()
    hook = next(hook for hook in again.hooks if isinstance(hook, CheckpointHook))
    assert (hook.best_ckpt_path is None if best == 'score' else set(hook.best_ckpt_path_dict.values()) == {None})


def test_a_remote_checkpoint_is_left_to_its_backend(tmp_path):
    (tmp_path / 'last_checkpoint').write_text('s3://bucket/epoch_3.pth')
    assert newest_intact(tmp_path) == 's3://bucket/epoch_3.pth'


def test_a_full_disk_is_one_clear_error_and_loses_nothing(tmp_path):
    class FillsTheDisk(Record):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            super().after_train_iter(runner, batch_idx, data_batch, outputs)
            if runner.iter == 5:
                (tmp_path / 'epoch_2.pth.partial').symlink_to('/dev/full')
    with pytest.raises(CheckpointNotSavedError) as error:
        runner(tmp_path, record=FillsTheDisk()).train()
    assert str(error.value).startswith(f'{tmp_path / "epoch_2.pth"} could not be written: No space left on device. '
                                       'Make room on its disk')
    assert checkpoints(tmp_path) == ['epoch_1.pth'] and damage(tmp_path / 'epoch_1.pth') is None
    record = Record()
    runner(tmp_path, resume=True, record=record).train()
    assert [k for k, _ in record.losses] == list(range(4, 16))


@pytest.mark.parametrize('code', [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_an_error_before_the_first_iteration(tmp_path, monkeypatch, code):
    record = Record()
    run = runner(tmp_path, record=record)

    def refuse(path, *args, **kwargs):
        if str(path).endswith('.partial'):
            raise OSError(code, os.strerror(code), path)
        return open(path, *args, **kwargs)
    monkeypatch.setattr('se_backbones.engine.checkpoint_hook.open', refuse, raising=False)
    with pytest.raises(CheckpointNotSavedError, match=f'{os.strerror(code)}. Make its folder writable, or'):
        run.train()
    assert not record.losses


def test_checkpoints_in_a_folder_of_their_own_are_found_again(tmp_path):
    hook = dict(out_dir=str(tmp_path / 'elsewhere'))
    with pytest.raises(Killed):
        runner(tmp_path / 'work', end=10, hook=hook).train()
    assert checkpoints(tmp_path / 'elsewhere' / 'work') == ['epoch_2.pth']
    record = Record()
    runner(tmp_path / 'work', resume=True, record=record, hook=hook).train()
    assert record.losses[0][0] == 8
    assert checkpoints(tmp_path / 'elsewhere' / 'work') == ['epoch_4.pth']


def test_a_text_is_the_old_or_the_new_one_if_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / 'last_checkpoint'
    atomic.write_text(path, 'old')
    monkeypatch.setattr(os, 'fsync', lambda descriptor: (_ for _ in ()).throw(OSError(errno.EIO, 'I/O error')))
    with pytest.raises(OSError):
        atomic.write_text(path, 'new')
    assert path.read_text() == 'old'


@pytest.mark.parametrize(('before', 'after'), [
    (dict(default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=3))),
     dict(type='se_backbones.CheckpointHook', interval=3)),
    (dict(), dict(type='se_backbones.CheckpointHook', interval=1)),
    (dict(default_hooks=dict(checkpoint=None)), None),
    (dict(default_hooks=dict(checkpoint=dict(type='mine.Hook'))), dict(type='mine.Hook')),
], ids=['plain', 'none given', 'switched off', 'of its own'])
def test_training_with_our_tool_takes_this_hook_in_place_of_mmengines(before, after):
    from se_backbones.lab.launch import use_atomic_checkpoint_hook
    cfg = mmengine.Config(before)
    use_atomic_checkpoint_hook(cfg)
    assert cfg.default_hooks.checkpoint == after


def test_it_is_a_checkpoint_hook_to_whoever_asks():
    assert issubclass(CheckpointHook, mmengine.hooks.CheckpointHook)
    assert CheckpointHook().priority == mmengine.hooks.CheckpointHook().priority


@pytest.fixture
def another_training(tmp_path):
    """Return a function that starts a process which holds a folder as a training does."""
    started = []

    def start(folder):
        command = [sys.executable, '-c', f'{OCCUPY}; print(1, flush=True); input()', str(folder)]
        started.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        started[-1].stdout.readline()
        return started[-1]
    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_a_second_training_in_the_same_folder_is_refused_and_changes_nothing(tmp_path, another_training):
    runner(tmp_path, epochs=2, hook=dict(max_keep_ckpts=2)).train()
    (tmp_path / 'epoch_3.pth.partial').write_text('the other one is in a save')
    other, before, record = another_training(tmp_path), checkpoints(tmp_path), Record()
    # A lower max_keep_ckpts would have mmengine remove one before the first iteration.
    for resume in (False, True):
        with pytest.raises(FolderInUseError, match=rf'{tmp_path} is in use by another training \(process {other.pid} '
                                                   r'on .*give this one a work_dir of its own'):
            runner(tmp_path, record=record, resume=resume, hook=dict(max_keep_ckpts=1)).train()
    assert checkpoints(tmp_path) == before and not record.losses
    other.kill()
    other.wait()
    runner(tmp_path, resume=True, record=record).train()
    assert [k for k, _ in record.losses] == list(range(8, 16))


def test_a_folder_of_checkpoints_is_refused_as_the_work_dir_is(tmp_path, another_training):
    hook = dict(out_dir=str(tmp_path / 'elsewhere'))
    (tmp_path / 'elsewhere' / 'work').mkdir(parents=True)
    another_training(tmp_path / 'elsewhere' / 'work')
    with pytest.raises(FolderInUseError, match='elsewhere/work is in use'):
        runner(tmp_path / 'work', hook=hook).train()


def test_a_folder_is_free_again_after_training(tmp_path):
    runner(tmp_path, epochs=1).train()
    subprocess.run([sys.executable, '-c', OCCUPY, str(tmp_path)], check=True)


def test_a_file_system_without_locks_does_not_stop_a_training(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
    monkeypatch.setattr('fcntl.flock', refuse)
    runner(tmp_path, epochs=1).train()
    assert checkpoints(tmp_path) == ['epoch_1.pth']


def test_a_file_system_that_locks_only_what_may_be_written_is_asked_again(tmp_path, monkeypatch, another_training):
    real, accesses = fcntl.flock, []

    def as_nfs(descriptor, operation):
        accesses.append(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE)
        if accesses[-1] == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        real(descriptor, operation)
    monkeypatch.setattr('fcntl.flock', as_nfs)
    runner(tmp_path, epochs=1).train()
    assert accesses == [os.O_RDONLY, os.O_RDWR]
    another_training(tmp_path)
    with pytest.raises(FolderInUseError):
        runner(tmp_path).train()


def test_what_is_forked_from_a_training_does_not_keep_its_folder(tmp_path):
    work_dir_lock.lock_work_dir(tmp_path)
    ready, says_ready = os.pipe()
    child = os.fork()
    if not child:
        os.write(says_ready, b'1')
        time.sleep(60)
        os._exit(0)
    try:
        os.read(ready, 1)
        work_dir_lock.unlock_work_dir(tmp_path)
        subprocess.run([sys.executable, '-c', OCCUPY, str(tmp_path)], check=True)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(says_ready)
