"""The one place that follows channels, map size and stride from unit to unit."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from mmengine.model import Sequential

from se_backbones.models.placement import ContextPlan
from se_backbones.models.sizes import MapSize, strided
from se_backbones.models.units import ContextUnit


class Feature(NamedTuple):
    """One output of a backbone."""

    stage: int
    channels: int
    stride: int


class StageBuilder:
    """Builds units one after the other, and follows what they do to channels, map size and stride.

    Where something else than a unit stands between two of them, the backbone sets these attributes.

    Args:
        plan: Where the operators sit; stages and blocks are counted as there.
        channels, size, stride: Of the map that the first unit takes; ``size`` is (H, W), for operators that need it.
        drop_path_rate: Of the last unit; those before it have linearly less. None: the units have no such option.
        options: What all units are told.

    Attributes:
        features: Channels and stride of the stages that are complete.
    """

    def __init__(self, plan: ContextPlan, channels: int, size: MapSize, stride: int = 1, *,
                 drop_path_rate: float | None = None, **options: Any):
        self.plan = plan
        self.channels, self.size, self.stride = channels, size, stride
        self.features: list[Feature] = []
        self._options = options
        self._rates = None if drop_path_rate is None else iter(drop_path_rates(drop_path_rate, sum(plan.blocks)))

    def unit(self, kind: Callable[..., ContextUnit], stage: int, block: int, **options: Any) -> ContextUnit:
        """Build ``kind(channels, slots=..., in_size=..., **options)``, this block of this stage."""
        if self._rates is not None:
            options['drop_path_rate'] = next(self._rates)
        unit = kind(self.channels, slots=self.plan.slots_of(stage, block), in_size=self.size, **self._options,
                    **options)
        self.channels, self.size = unit.out_channels, strided(self.size, unit.stride)
        self.stride *= unit.stride
        return unit

    def stage(self, kind: Callable[..., ContextUnit], stage: int, stride: int = 1,
              per_block: Sequence[dict] | None = None, **options: Any) -> Sequential:
        """Build a whole stage, whose first unit has the stride.

        Args:
            per_block: What each unit alone is told.
        """
        units = Sequential(*[
            self.unit(kind, stage, block, stride=1 if block else stride, **(per_block[block] if per_block else {}),
                      **options)
            for block in range(self.plan.blocks[stage])])
        self.end_stage()
        return units

    def end_stage(self) -> None:
        """Note that a stage is complete."""
        self.features.append(Feature(len(self.features), self.channels, self.stride))


def drop_path_rates(rate: float, num_units: int) -> list[float]:
    """Return the rate of each unit: from 0 at the first, linear, to ``rate`` at the last (arXiv 1603.09382, section 3).
    """
    return torch.linspace(0, rate, num_units, device='cpu').tolist()
