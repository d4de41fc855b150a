"""Function-preserving insertion: put operators into a plain network without changing what it computes.

A fresh operator multiplies its branch by about 0.5, which is why SE inserted into a pretrained detector loses accuracy.
Here the layer before the sigmoid starts at zero, so the gate is exactly 0.5, and the layer that feeds the gated tensor
is doubled. Both factors are powers of two: the product is the plain network's bit for bit, in training and in eval.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import torch
from mmcv.cnn import ConvAWS2d, ConvWS2d
from torch import Tensor, nn

from se_backbones.models.loading.request import MisfitError
from se_backbones.models.operators import ContextOperator
from se_backbones.models.placement import PLACEMENTS
from se_backbones.models.units import ContextUnit


@dataclass(frozen=True)
class Placed:
    """One operator of a network: its unit, slot and name within the part that is loaded."""

    name: str
    unit_name: str
    placement: str
    unit: nn.Module
    operator: ContextOperator


def placed_operators(modules: Mapping[str, nn.Module]) -> Iterator[Placed]:
    """Yield every operator in a slot of one of our units, of modules by name."""
    for name, unit in modules.items():
        if isinstance(unit, ContextUnit):
            for placement, operator in unit.context.items():
                yield Placed(f'{name}.context.{placement}'.lstrip('.'), name, placement, unit, operator)


def missing_operators(placed: Collection[Placed], state: Mapping[str, Tensor]) -> list[Placed]:
    """Return the operators with parameters of which a checkpoint has no tensor.

    Raises:
        MisfitError: It holds some but not all tensors of one operator, or those of an operator of another size.
    """
    absent = []
    for each in placed:
        # num_batches_tracked came late to torch: old checkpoints lack it.
        wanted = {f'{each.name}.{key}': value for key, value in each.operator.state_dict().items()
                  if 'num_batches_tracked' not in key}
        missing = [key for key in wanted if key not in state]
        if wanted and len(missing) == len(wanted):
            absent.append(each)
        elif missing:
            raise MisfitError(f'The checkpoint holds {len(wanted) - len(missing)} of the {len(wanted)} tensors of the '
                              f'operator {each.name}; {", ".join(sorted(missing)[:3])} is missing. It was saved from a '
                              'network with another context.')
        else:
            _check_size(each, wanted, state)
    return absent


def _check_size(placed: Placed, wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    channels = placed.operator.in_channels
    for key, ours in wanted.items():
        shape = tuple(state[key].shape)
        if shape == ours.shape:
            continue
        if key.endswith('.excite.down.weight') and len(shape) == 4 and shape[0] and shape[1] == channels:
            raise MisfitError(f'context.op.ratio: {placed.name} has a hidden width of {ours.shape[0]} for {channels} '
                              f'channels (ratio {channels // ours.shape[0]}), and {shape[0]} in the checkpoint (ratio '
                              f'{channels // shape[0]}).')
        if '.gather.' in key and shape[:2] == ours.shape[:2]:
            raise MisfitError(f'input_size: {key} is a kernel of {sides(ours.shape[2:])} here and of '
                              f'{sides(shape[2:])} in the checkpoint, which was saved with another input_size.')


def sides(shape: tuple) -> str:
    """Return a shape in words."""
    return 'x'.join(map(str, shape)) or 'a scalar'


def layers_to_double(placed: Placed, names: Mapping[nn.Module, str]) -> list[str]:
    """Return the names of the layers (mostly one) whose parameters, doubled, make up for the gate at logits of 0.

    Args:
        placed: The operator.
        names: Of the modules of its network.

    Raises:
        MisfitError: An operator sits where, or has a gate for which, no exact insertion exists.
    """
    if placed.operator.has_logit_parameters and placed.operator.gate_name == 'double_sigmoid':
        return []  # its gate starts at 1
    found = placed.unit.layers_to_rescale(placed.placement)
    reason = found if isinstance(found, str) else None
    layers = [] if reason else found if isinstance(found, list) else [found]
    bare = [names[layer] for layer in layers if getattr(layer, 'weight', None) is None]
    standardised = [names[layer] for layer in layers if isinstance(layer, (ConvWS2d, ConvAWS2d))]
    if not placed.operator.has_logit_parameters:
        reason = 'the last layer of its gate has no parameters that could be zero (norm_cfg)'
    elif placed.operator.gate_name != 'sigmoid':
        reason = f'no layer before a {placed.operator.gate_name} gate makes the gate 0.5 everywhere'
    elif bare:
        reason = f'{bare[0]} has no parameters to double'
    elif standardised:
        reason = f'{standardised[0]} standardises its weights, so that doubling them has no effect'
    if reason:
        raise MisfitError(
            f'Cannot insert {placed.name} (placement={placed.placement!r}) into plain weights without changing the '
            f'function, because {reason}. Use context=dict(..., insertion="fresh") to start with fresh gates, or '
            f'{_way_out(placed)}.')
    return [names[layer] for layer in layers]


def _way_out(placed: Placed) -> str:
    if placed.placement in PLACEMENTS and placed.placement != 'standard':
        return 'placement="standard"'
    return 'leave it out (context.stages)'


@torch.no_grad()
def insert(placed: Placed, layers: Collection[str], modules: Mapping[str, nn.Module],
           state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Set an operator's logits to 0, and return new tensors for the layers that are doubled.

    The gate's values go into the operator, not among the tensors: a strict load is to find them missing.
    """
    placed.operator.zero_logits()
    doubled = {}
    for layer in layers:
        for name, parameter in modules[layer].named_parameters(recurse=False):
            value = state[f'{layer}.{name}']
            # Twice a value may be too large for float16.
            doubled[f'{layer}.{name}'] = 2 * (value if (2 * value).isfinite().all() else value.to(parameter.dtype))
    return doubled
