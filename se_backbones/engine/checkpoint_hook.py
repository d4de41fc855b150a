"""mmengine's CheckpointHook with atomic writes: a killed run loses no checkpoint."""

import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from mmengine import hooks
from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.fileio import LocalBackend, get_file_backend
from mmengine.logging import print_log
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Runner

from se_backbones.engine import random_state
from se_backbones.engine.resume import POINTER, DamagedCheckpointError, damage, newest_intact
from se_backbones.engine.work_dir_lock import FolderInUseError, lock_work_dir, unlock_work_dir
from se_backbones.registry import HOOKS
from se_backbones.utils import atomic

# What a run's MessageHub, and so each of its checkpoints, calls the files that it replaces.
_OUTDATED = 'outdated_ckpts'


class CheckpointNotSavedError(RuntimeError):
    """A checkpoint could not be written; those before it are untouched."""


class OtherEpochsError(RuntimeError):
    """A run is resumed with epochs of another length than it had."""


@HOOKS.register_module()
class CheckpointHook(hooks.CheckpointHook):
    """Saves as mmengine's hook does, with its arguments, but a kill at any moment loses no complete checkpoint.

    mmengine removes the oldest checkpoint before it writes the new one, and writes in place: with ``max_keep_ckpts=1``
    a kill in between leaves nothing to resume from. Here:

    - A checkpoint is written to ``<name>.partial``, synced and renamed; then ``last_checkpoint`` is, in the same way;
      only then are old ones removed, those of ``save_best`` too. Room for one more checkpoint is needed.
    - A full disk or a folder that cannot be written is one error that says what is left; the latter at the start.
    - A second training in the same folder is refused before it changes anything.
    - When resuming without naming a file, the newest intact checkpoint is taken; a damaged one is named in the log.
    - The state of the random generators and the seeds of the samplers are saved, and validation gives the generators
      back as they were: with data loading in the process itself (``num_workers=0``), on a CPU, a run that was resumed
      from a checkpoint computes the very numbers of one that was not interrupted.

    Remote storage and FlexibleRunner's sharded checkpoints cannot be renamed: there files are written in place, still
    before old ones are removed, and FlexibleRunner takes what ``last_checkpoint`` names.

    A checkpoint is saved before the validation of its epoch, so a resumed run begins with it, where one was due: it
    steps schedules of plateaus and finds the best checkpoint. One that ``save_best`` saved anew after it says so.

    What mmengine leaves out stays out: gradients that are being accumulated are lost, ``EarlyStoppingHook`` counts
    anew, and worker processes (``num_workers>0``) draw other augmentations than they would have. A checkpoint in the
    middle of an epoch of an epoch-based loop begins this epoch again.

    Raises:
        CheckpointNotSavedError: In training; the folder cannot be written, or has no room.
        FolderInUseError: Before training; another process trains in the folder.
        OtherEpochsError: When resuming; an epoch has more or fewer iterations than it had.
        DamagedCheckpointError: When resuming; there are checkpoints, but none is whole, or the one named is not.
    """

    _in_place = False
    _locked = ()
    _extras = None  # of the checkpoint that is being saved, beside what mmengine puts into it
    _resumed_state = None
    _validated = False

    def before_run(self, runner) -> None:
        # Not before a test, which may look at a run that is going on.
        if isinstance(runner._train_loop, BaseLoop):
            self._enter(runner)
        # FlexibleRunner has loaded by now.
        if getattr(runner, '_resume', False) and not runner._has_loaded:
            runner._load_from = _on_main_process(lambda: self._choose(runner))

    def before_train(self, runner) -> None:
        super().before_train(runner)
        self._backend = self.file_backend
        # mmengine keeps whole paths, and a folder may have been moved.
        if self.save_best and len(self.key_indicators) == 1:
            self.best_ckpt_path = self._here(self.best_ckpt_path)
        elif self.save_best:
            self.best_ckpt_path_dict = {key: self._here(path) for key, path in self.best_ckpt_path_dict.items()}
        # A kill after the last save and before its removals left them to this run.
        self._remove_outdated(runner)
        if runner.iter:
            self._check_epoch(runner)
            _validate(runner, self._validated)
            reason = random_state.resume(runner, self._resumed_state)
            if reason:
                print_log(f'Augmentation and dropout continue with other random numbers than an uninterrupted run: '
                          f'{reason}.', logger='current')

    def _check_epoch(self, runner) -> None:
        """Refuse epochs of another length: the checkpoint has the learning rate and the schedule of the old one."""
        loop = runner.train_loop
        if not self.by_epoch or not isinstance(loop, EpochBasedTrainLoop) or not loop.epoch:
            return
        before, now = loop.iter / loop.epoch, len(loop.dataloader)
        if abs(before - now) > max(1, now / 100):  # samplers with drop_last may give one batch less than they say
            raise OtherEpochsError(
                f'An epoch had {before:g} iterations when the checkpoint was saved, and now has {now}; learning rate '
                'and schedule go on as they were, and would be wrong. Keep processes x train_dataloader.batch_size and '
                'the images, or begin a run of its own with load_from=CHECKPOINT (and --auto-scale-lr).')

    def after_run(self, runner) -> None:
        for folder in self._locked:
            unlock_work_dir(folder)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        self._resumed_state, self._validated = checkpoint.get('random_state'), checkpoint.get('validated', False)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        checkpoint.update(self._extras or {})

    def before_val_epoch(self, runner) -> None:
        self._before_val = random_state.capture()

    def after_val_epoch(self, runner, metrics: dict) -> None:
        # The checkpoint of this epoch was saved before its validation.
        random_state.restore(self._before_val)
        super().after_val_epoch(runner, metrics)

    def _save_checkpoint_with_step(self, runner, step: int, meta: dict) -> None:
        validated = isinstance(runner, _AtomicSaves)  # called anew, by _save_best_checkpoint
        runner = runner.whole if validated else runner
        if self.max_keep_ckpts > 0 and step not in self.keep_ckpt_ids:
            if len(self.keep_ckpt_ids) == self.max_keep_ckpts:
                self._outdate(runner, self.filename_tmpl.format(self.keep_ckpt_ids[0]))
            self.keep_ckpt_ids.append(step)
            runner.message_hub.update_info('keep_ckpt_ids', list(self.keep_ckpt_ids))
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        self._extras = dict(random_state=random_state.of_run(runner), validated=validated)
        self._save_whole(runner, self.out_dir, name, self.file_client_args, save_optimizer=self.save_optimizer,
                         save_param_scheduler=self.save_param_scheduler, meta=meta, by_epoch=self.by_epoch,
                         backend_args=self.backend_args, **self.args)
        self._extras = None
        if is_main_process():
            pointer = os.path.join(runner.work_dir, POINTER)
            with _explained(pointer):
                atomic.write_text(pointer, self.last_ckpt)
        self._remove_outdated(runner)

    def _save_best_checkpoint(self, runner, metrics: dict) -> None:
        if not self.save_best:
            return
        self.file_backend = _Removals(self._backend, lambda path: self._outdate(runner, path))
        try:
            super()._save_best_checkpoint(_AtomicSaves(runner, self._save_whole), metrics)
        finally:
            self.file_backend = self._backend
        self._remove_outdated(runner)

    def _save_whole(self, runner, out_dir: str, filename: str, *args, **kwargs) -> None:
        """Do what ``runner.save_checkpoint`` does, such that ``filename`` is complete whenever it exists."""
        outdated = runner.message_hub.get_info(_OUTDATED, [])
        runner.message_hub.update_info(_OUTDATED, [name for name in outdated if name != filename])
        if self._in_place:
            runner.save_checkpoint(out_dir, filename, *args, **kwargs)
            return
        path = os.path.join(out_dir, filename)
        with _explained(path):
            runner.save_checkpoint(out_dir, atomic.partial(filename), *args, **kwargs)
            if is_main_process():
                atomic.commit(path)

    @staticmethod
    def _outdate(runner, path: str) -> None:
        """Note a file to be removed once the next save is complete; the name alone, as work dirs are moved."""
        names = runner.message_hub.get_info(_OUTDATED, [])
        runner.message_hub.update_info(_OUTDATED, [*names, os.path.basename(path)])

    def _remove_outdated(self, runner) -> None:
        for name in runner.message_hub.get_info(_OUTDATED, []) if is_main_process() else ():
            path = self._backend.join_path(self.out_dir, name)
            try:
                if self._backend.isdir(path):
                    self._backend.rmtree(path)
                elif self._backend.isfile(path):
                    self._backend.remove(path)
            except OSError as error:
                # No reason to end a run.
                print_log(f'{path} is outdated but cannot be removed: {error.strerror}.', logger='current',
                          level=logging.WARNING)
        runner.message_hub.update_info(_OUTDATED, [])

    def _enter(self, runner) -> None:
        """Keep other trainings out of the folders and see that files can be made there, before anything is read."""
        folder = self._folder(runner)
        backend = None if self.file_client_args else get_file_backend(folder, backend_args=self.backend_args)
        self._in_place = not isinstance(backend, LocalBackend) or not isinstance(runner, Runner)
        self._locked = [runner.work_dir, *([folder] if isinstance(backend, LocalBackend) else ())]
        _on_main_process(self._prepare_folders)

    def _choose(self, runner) -> str | None:
        named = runner._load_from
        if named is None:
            return newest_intact(runner.work_dir, self._folder(runner), self.filename_tmpl)
        if os.path.exists(named) and (problem := damage(named)):
            raise DamagedCheckpointError(f'{named} is damaged: {problem}. Resume without naming a file to take the '
                                         'newest intact one of the work dir.')
        return named

    def _folder(self, runner) -> str:
        """Return where checkpoints go; before mmengine's ``before_train``, which writes it into ``out_dir``."""
        if self.out_dir in (None, runner.work_dir):
            return runner.work_dir
        return os.path.join(self.out_dir, os.path.basename(runner.work_dir.rstrip(os.sep)))

    def _here(self, path: str | None) -> str | None:
        """Return the file of that name in the folder of this run's checkpoints; None: there is none."""
        here = path and self._backend.join_path(self.out_dir, os.path.basename(path))
        return here if here and self._backend.exists(here) else None

    def _prepare_folders(self) -> None:
        """Make the folders, remove what a kill left unfinished in them, and see that files can be made there."""
        for folder in self._locked:
            with _explained(folder):
                os.makedirs(folder, exist_ok=True)
                lock_work_dir(folder)
                for name in os.listdir(folder):
                    if name.endswith(atomic.PARTIAL):
                        os.unlink(os.path.join(folder, name))
                probe = os.path.join(folder, atomic.partial('probe'))
                with open(probe, 'wb'):
                    pass
                os.unlink(probe)


@contextmanager
def _explained(path: str) -> Iterator[None]:
    """Turn an error of the file system into one that says what to do."""
    try:
        yield
    except OSError as error:
        with suppress(OSError):
            os.unlink(atomic.partial(path))  # an unfinished file only takes room
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise CheckpointNotSavedError(
            f'{path} could not be written: {error.strerror or error}. '
            + ('Make room on its disk (a checkpoint is complete before the one that it replaces is removed)' if full
               else 'Make its folder writable, or set work_dir or CheckpointHook.out_dir to one that is')
            + '. All checkpoints before it are untouched; --resume continues from the newest.') from error


def _validate(runner, done: bool) -> None:
    """Make the validation of the epoch that a run goes on from, if one was due.

    A checkpoint is saved before it: what it did, a plateau that it counted or a best score, is not in there. Where it
    was ``done`` a plateau would be counted twice; after the last epoch nothing else would say how good the network is.
    """
    loop = runner.train_loop
    if runner.val_loop is None or not hasattr(loop, 'val_interval'):
        return
    if hasattr(loop, '_decide_current_val_interval'):
        loop._decide_current_val_interval()
    now, end = (loop.epoch, loop.max_epochs) if isinstance(loop, EpochBasedTrainLoop) else (loop.iter, loop.max_iters)
    if now >= loop.val_begin and (now == end or now % loop.val_interval == 0 and not done):
        runner.val_loop.run()


class _AtomicSaves:
    """A runner that saves by ``save``."""

    def __init__(self, runner, save: Callable):
        self.whole = runner
        self._save = save

    def save_checkpoint(self, *args, **kwargs) -> None:
        self._save(self.whole, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)


class _Removals:
    """A file backend that tells ``outdate`` what it is asked to remove, and leaves it there."""

    def __init__(self, backend, outdate: Callable[[str], None]):
        self._backend = backend
        self.remove = self.rmtree = outdate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)


def _on_main_process(function: Callable[[], Any]) -> Any:
    """Return in every process what ``function`` returns in the first; raise its error in all, so that none waits."""
    answer: list = [None, None]
    if is_main_process():
        try:
            answer[0] = function()
        except (DamagedCheckpointError, CheckpointNotSavedError, FolderInUseError) as error:
            answer[1] = error
    broadcast_object_list(answer)
    if answer[1] is not None:
        raise answer[1]
    return answer[0]
