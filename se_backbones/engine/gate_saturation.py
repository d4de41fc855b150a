"""Gate saturation over training, as scalars of the run."""

import logging
import math
from contextlib import ExitStack

from mmengine.hooks import Hook
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper

from se_backbones.engine.gates import observe_gates
from se_backbones.engine.saturation import HIGH, LOW, Saturation
from se_backbones.engine.sites import operators
from se_backbones.registry import HOOKS
from se_backbones.utils.validation import one_of, positive_int


@HOOKS.register_module()
class GateSaturationHook(Hook):
    """Write the shares of closed and open gates in training, to whatever backend the run's visualizer has.

    ``custom_hooks=[dict(type='se_backbones.GateSaturationHook')]`` logs ``gates/below_0.05`` and ``gates/above_0.95``
    (with ``per_operator`` also ``gates/SE_5_3/below_0.05``, ...), counted over every image, channel and cell of this
    process's batch. The iterations that are looked at compute each gate and product by themselves, not in a fused form;
    the others run as without the hook.

    Args:
        interval: Iterations from one look to the next. The logger writes the latest one, so an interval of its own or
            a divisor of it serves best. Default 10.
        low, high: A gate is closed below the one and open above the other.
        per_operator: Also the shares of each operator.

    Raises:
        ValueError: A wrong value; before training, a model without operators.
    """

    # Before all hooks that log, average (EMAHook) or save the network after an iteration: they find it unwatched.
    priority = 'VERY_HIGH'

    def __init__(self, interval: int = 10, low: float = LOW, high: float = HIGH, per_operator: bool = False):
        self.interval = positive_int('GateSaturationHook.interval', interval)
        self.per_operator = one_of('GateSaturationHook.per_operator', per_operator, (True, False))
        self.low, self.high = low, high
        self._counts = Saturation(low, high)
        self._watch = ExitStack()
        self._told = False

    def before_train(self, runner) -> None:
        self._model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self._sites = list(operators(self._model).values())

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        if self.every_n_train_iters(runner, self.interval):
            self._counts = Saturation(self.low, self.high)
            self._watch.enter_context(observe_gates(self._model, self._sites, self._see))

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self._watch.close()
        if self.every_n_train_iters(runner, self.interval) and self._counts.shares:
            self._write(runner, 'gates', self._counts.overall)
            if self.per_operator:
                for name, shares in self._counts.shares.items():
                    self._write(runner, f'gates/{name}', shares)

    def after_run(self, runner) -> None:
        self._watch.close()

    def _see(self, site, gate) -> None:
        self._counts.see(site, gate)
        if not self._told and not math.isfinite(gate.detach().sum().item()):
            self._told = True
            print_log(f'The gate of {site.name} ({site.path}) holds NaN or infinite values: training has diverged. '
                      'Logged once.', logger='current', level=logging.ERROR)

    def _write(self, runner, group: str, shares: tuple[float, float]) -> None:
        runner.message_hub.update_scalar(f'train/{group}/below_{self.low:g}', shares[0])
        runner.message_hub.update_scalar(f'train/{group}/above_{self.high:g}', shares[1])
