"""Settings of a network that no tensor shows; checkpoints carry them beside the tensors."""

from collections.abc import Iterator, Mapping

from mmcv.cnn import ConvAWS2d, ConvWS2d
from mmcv.cnn.bricks import conv2d_adaptive_padding
from torch import nn

from se_backbones.models.loading.insertion import placed_operators
from se_backbones.models.operators import ContextOperator
from se_backbones.models.units import ContextUnit

# Of the module itself, and of an operator: as their arguments are called.
_OWN = ('style', 'stem_pool')
_OF_OPERATORS = ('variant', 'extent', 'relu', 'squeeze', 'gate_name')

# Convolutions that compute something else of the same tensors.
_CONVS = {'ConvWS': (ConvWS2d, ConvAWS2d), 'Conv2dAdaptivePadding': conv2d_adaptive_padding.Conv2dAdaptivePadding}


def settings(part: nn.Module) -> dict[str, str]:
    """Return the settings of a backbone or shared head that change its function and no key or shape, by name."""
    found = {name: getattr(part, name) for name in _OWN if hasattr(part, name)}
    if found.get('style') == 'caffe' and not any(getattr(unit, 'spatial_conv', 0) == 2 for unit in part.modules()):
        found['style'] = 'pytorch'  # which differ in bottlenecks alone
    modules = list(_without_additions(part))
    for name in ('eps', 'num_groups'):
        if values := sorted({getattr(module, name) for module in modules if hasattr(module, name)}):
            found[f'norm_cfg.{name}'] = ', '.join(map(str, values))
    found['conv_cfg'] = next((name for name, kinds in _CONVS.items()
                              if any(isinstance(module, kinds) for module in modules)), 'Conv')
    for placed in placed_operators(dict(part.named_modules())):
        found[placed.name] = operator_settings(placed.operator)
    return found


def operator_settings(operator: ContextOperator) -> str:
    """Return those of one operator, in words."""
    return ', '.join(f'{name.removesuffix("_name")}={getattr(operator, name)!r}'
                     for name in _OF_OPERATORS if hasattr(operator, name))


def _without_additions(module: nn.Module) -> Iterator[nn.Module]:
    """Yield a module and its descendants, but for operators and plugin layers, which a checkpoint may lack."""
    if not isinstance(module, ContextOperator):
        yield module
        plugins = module.plugin_names() if isinstance(module, ContextUnit) else ()
        for name, child in module.named_children():
            if name not in plugins:
                yield from _without_additions(child)


def differences(ours: Mapping[str, str], theirs: Mapping[str, str], checkpoint: str) -> list[str]:
    """Return in words which settings differ, of those that both have; what several operators share once."""
    said = {}
    for key, value in ours.items():
        if theirs.get(key, value) != value:
            here, there = (value, theirs[key]) if 'context.' in key else (f'{key}={value!r}', f'{key}={theirs[key]!r}')
            said.setdefault((here, there), f'{key}: ' if 'context.' in key else '')
    return [f'{where}{here}, but {checkpoint} was trained with {there}' for (here, there), where in said.items()]
