"""The papers' plateau schedule: ReduceOnPlateauLR with a limited number of drops."""

from typing import Any

from mmengine.optim import ReduceOnPlateauLR as _ReduceOnPlateauLR

from se_backbones.registry import PARAM_SCHEDULERS
from se_backbones.utils.validation import positive_int


@PARAM_SCHEDULERS.register_module()
class ReduceOnPlateauLR(_ReduceOnPlateauLR):
    """mmengine's ``ReduceOnPlateauLR`` with a count of drops in the place of ``eps`` and ``min_value``.

    Those are learning rates, which ``--auto-scale-lr`` and groups with a factor of their own (biases at twice the rate)
    leave behind: the same schedule dropped two to four times, weights and biases differently.

    Args:
        optimizer: Or its wrapper.
        max_drops: How often the rate is multiplied by ``factor``, in all parameter groups together.
        kwargs: ``monitor``, ``rule``, ``factor``, ``patience``, ... of mmengine's.
    """

    def __init__(self, optimizer: Any, *args: Any, max_drops: int, **kwargs: Any):
        self.max_drops = positive_int('param_scheduler.max_drops', max_drops)
        self.drops = 0  # kept in checkpoints, as all attributes are
        super().__init__(optimizer, *args, eps=0.0, **kwargs)

    def _get_value(self) -> list[float]:
        if self.drops == self.max_drops:
            return [group[self.param_name] for group in self.optimizer.param_groups]
        self.drops += 1
        return super()._get_value()
