"""Function-preserving insertion: put operators into a plain network without changing what it computes.

A fresh operator multiplies its branch by about 0.5, which is why SE inserted into a pretrained detector loses accuracy.
Here the layer before the sigmoid starts at zero, so the gate is exactly 0.5, and the layer that feeds the gated tensor
is doubled. Both factors are powers of two: the product is the plain network's bit for bit, in training and in eval.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from mmcv.cnn import ConvAWS2d, ConvWS2d
from torch import nn

from se_backbones.models.operators import ContextOperator
from se_backbones.models.placement import PLACEMENTS
from se_backbones.models.units import ContextUnit

POLICIES = ('preserve', 'fresh')


@dataclass(frozen=True)
class Placed:
    """One operator of a network: its unit, slot and name within the module that is loaded."""

    name: str
    placement: str
    unit: ContextUnit
    operator: ContextOperator


def placed_operators(module: nn.Module) -> Iterator[Placed]:
    """Yield every operator in a slot of one of our units."""
    for name, unit in module.named_modules():
        if isinstance(unit, ContextUnit):
            for placement, operator in unit.context.items():
                yield Placed(f'{name}.context.{placement}'.lstrip('.'), placement, unit, operator)


def missing_operators(module: nn.Module, keys: Iterable[str]) -> list[Placed]:
    """Return the operators with parameters for which a checkpoint with these keys has nothing.

    Raises:
        ValueError: The checkpoint holds some but not all tensors of one operator.
    """
    keys = set(keys)
    missing = []
    for placed in placed_operators(module):
        # num_batches_tracked came late to torch: old checkpoints lack it.
        wanted = {f'{placed.name}.{key}' for key in placed.operator.state_dict() if 'num_batches_tracked' not in key}
        absent = sorted(wanted - keys)
        if wanted and len(absent) == len(wanted):
            missing.append(placed)
        elif absent:
            raise ValueError(f'The checkpoint holds {len(wanted) - len(absent)} of the {len(wanted)} tensors of the '
                             f'operator {placed.name}; {", ".join(absent[:3])} is missing. It was saved from a network '
                             'with another context.')
    return missing


def host_layers(module: nn.Module, missing: Iterable[Placed],
                keys: Iterable[str]) -> list[tuple[Placed, list[nn.Module]]]:
    """Return each operator that can be inserted into the loaded weights, with the layers to double (mostly one).

    An operator whose layers are not in the checkpoint either belongs to a part that was not loaded: it stays fresh.

    Raises:
        ValueError: An operator sits where, or has a gate for which, no exact insertion exists.
    """
    keys = set(keys)
    names = {layer: name for name, layer in module.named_modules()}
    insertions = []
    for placed in missing:
        found = placed.unit.compensation(placed.placement)
        reason = found if isinstance(found, str) else None
        layers = [] if reason else found if isinstance(found, list) else [found]
        bare = [names[layer] for layer in layers if getattr(layer, 'weight', None) is None]
        standardised = [names[layer] for layer in layers if isinstance(layer, (ConvWS2d, ConvAWS2d))]
        if placed.operator.gate_name != 'sigmoid':
            reason = f'no layer before a {placed.operator.gate_name} gate makes the gate 0.5 everywhere'
        elif bare:
            reason = f'{bare[0]} has no parameters to double'
        elif standardised:
            reason = f'{standardised[0]} standardises its weights, so that doubling them has no effect'
        if reason:
            raise ValueError(
                f'Cannot insert {placed.name} (placement={placed.placement!r}) into plain weights without changing the '
                f'function, because {reason}. Use init_cfg=dict(type="se_backbones.Pretrained", checkpoint=..., '
                f'insertion="fresh") to start with fresh gates, or {_way_out(placed)}.')
        if all(f'{names[layer]}.weight' in keys for layer in layers):
            insertions.append((placed, layers))
    return insertions


def _way_out(placed: Placed) -> str:
    if placed.placement in PLACEMENTS and placed.placement != 'standard':
        return 'placement="standard"'
    return 'leave it out (context.stages)'


@torch.no_grad()
def insert(insertions: Iterable[tuple[Placed, list[nn.Module]]]) -> None:
    """Set each operator's gate to 0.5 and double its layers; after the plain weights were loaded."""
    for placed, layers in insertions:
        placed.operator.start_at_half()
        for layer in layers:
            for parameter in layer.parameters(recurse=False):
                parameter.mul_(2)
