"""A loss that is not a number stops the run, before it ruins a checkpoint."""

import math

from mmengine.hooks import Hook
from torch import Tensor

from se_backbones.engine.resume import last_checkpoint
from se_backbones.registry import HOOKS
from se_backbones.utils.validation import int_from, positive_int

_CAUSES = (' Common causes: a learning rate that is too high (lower optim_wrapper.optimizer.lr, or set '
           'optim_wrapper.clip_grad), broken boxes or images, --amp.')


class InvalidLossError(RuntimeError):
    """The loss is infinite or NaN."""


@HOOKS.register_module()
class InvalidLossHook(Hook):
    """Stops a training whose loss is infinite or NaN, and names the iteration and the checkpoint to go back to.

    mmdet's CheckInvalidLossHook does so at every 50th iteration, when NaN weights may have been saved already.
    On a GPU the losses of ``interval`` iterations are read together, since each read waits for it, and before each
    checkpoint. With a loss scaler, whose steps leave out what overflows, only ``patience`` such losses in a row stop.

    Args:
        interval: Iterations after which the losses are read.
        patience: How many invalid losses in a row a run with a loss scaler may have.

    Raises:
        ValueError: ``interval`` is no int of at least 1, or ``patience`` none of at least 0.
        InvalidLossError: After an iteration.
    """

    # Before CheckpointHook, which saves what this one refuses.
    priority = 'NORMAL'

    def __init__(self, interval: int = 10, patience: int = 50):
        self.interval = positive_int('interval', interval)
        self.patience = int_from(0, 'patience', patience)
        self._losses: list[tuple[int, Tensor]] = []
        self._row = 0

    def before_train(self, runner) -> None:
        self._losses, self._row = [], 0

    def after_train_iter(self, runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        loss = (outputs or {}).get('loss') if isinstance(outputs, dict) else None
        if not isinstance(loss, Tensor):
            return
        self._losses.append((runner.iter + 1, loss.detach()))
        if not loss.is_cuda or len(self._losses) >= self.interval:
            self._read(runner)

    def before_save_checkpoint(self, runner, checkpoint: dict) -> None:
        self._read(runner)
        # The step after the last loss may have made them so.
        bad = next((name for name, weight in runner.model.named_parameters() if not weight.isfinite().all()), None)
        if bad:
            raise InvalidLossError(f'{bad} has weights that are infinite or NaN after iteration {runner.iter}. '
                                   f'{_how_to_resume(runner)}{_CAUSES}')

    def _read(self, runner) -> None:
        scaled = hasattr(runner.optim_wrapper, 'loss_scaler')
        for iteration, loss in self._losses:
            value = loss.sum().item()
            self._row = 0 if math.isfinite(value) else self._row + 1
            if self._row > (self.patience if scaled else 0):
                raise InvalidLossError(f'The loss is {value} at iteration {iteration}. {_how_to_resume(runner)}'
                                       f'{_CAUSES}')
        self._losses = []


def _how_to_resume(runner) -> str:
    named = last_checkpoint(runner.work_dir)
    return f'The last good checkpoint is {named}; go on from it with --resume.' if named else \
        'No checkpoint has been saved.'
