"""Operators after named modules of any registered backbone, from config alone (SE paper, section 3.2: after any
transformation).

The backbone's modules and checkpoint keys stay as they are; operators lie under ``context.*``. They are called by
forward hooks, which leave keys, freezing, ``fuse`` passes and recomputation of the backbone alone, where a replaced
submodule would move its keys; the hook looks its operator up when it is called, so that copies, EMA and watched gates
find their own.
"""

import inspect
import logging
import re
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.logging import print_log
from mmengine.model import BaseModule, ModuleDict
from mmengine.registry import MODELS as ROOT
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from se_backbones.models.loading import PretrainedModule, split_loaders
from se_backbones.models.loading.insertion import Placed, missing_operators
from se_backbones.models.loading.request import requested
from se_backbones.models.loading.settings import differences, operator_settings
from se_backbones.models.operators import ContextOperator, build_operator
from se_backbones.models.operators.build import operator_class
from se_backbones.models.operators.gather import GlobalPool
from se_backbones.models.placement import context_entries
from se_backbones.registry import MODELS
from se_backbones.utils.metadata import KEY, settings_in
from se_backbones.utils.signatures import arguments
from se_backbones.utils.validation import did_you_mean, first_few, image_size, known_keys

PREFIX = 'backbone.'


@MODELS.register_module()
class WithContext(BaseModule):
    """Any backbone, with operators on the outputs of some of its modules; it returns what the backbone does.

    ``context.op`` has ``gate='double_sigmoid'`` unless it says otherwise: such a gate starts at exactly 1, so that with
    a published checkpoint of the backbone the network computes bit for bit what the backbone did. ``theta_minus`` has
    nothing to start at 1 and changes the function.

    Module outputs are maps ``(N, C, H, W)`` or token sequences ``(N, L, C)``; local operators take sequences only from
    modules that are called with their ``hw_shape``, as those of Swin are.

    Args:
        backbone: Config of any registered backbone, its own ``init_cfg`` included.
        context: One dict or a list of dicts: ``op`` as in our backbones, and ``after``: the names of modules as
            ``named_modules()`` has them, a list or a regular expression that matches whole names.
        input_size: Image size, int or (H, W), of one pass through the backbone that finds channels, and map sizes for
            global ``theta`` gathers. Default 224.
        init_cfg: mmengine's. What loads a checkpoint in that of the backbone, however it is spelled, is taken over, so
            that one of a trained network with operators loads these, too; it comes last, and is our ``Pretrained``.
        pretrained: The backbone's, where mmseg's models hand theirs on.

    Raises:
        ValueError: A name that matches nothing, a module that runs not once or whose output is no map or sequence, two
            operators in one place, or a wrong option.
    """

    def __init__(self, backbone: dict, context: dict | Sequence[dict], input_size: int | tuple[int, int] = 224,
                 init_cfg: dict | Sequence[dict] | None = None, pretrained: str | None = None, **unknown):
        super().__init__()
        self.backbone = ROOT.build(backbone if pretrained is None else {**backbone, 'pretrained': pretrained})
        if unknown and (name := next(iter(unknown))) in arguments(type(self.backbone)):
            raise ValueError(f'WithContext has no option {name!r}; {type(self.backbone).__name__} has: write it into '
                             f'the inner dict, backbone=dict(type=..., {name}={unknown[name]!r}).')
        known_keys('WithContext', unknown, ('backbone', 'context', 'input_size', 'init_cfg', 'pretrained'))
        loaders, others = split_loaders(init_cfg)
        self.init_cfg = [*others, *(loaders or self._taken_over())]
        self.context = ModuleDict()
        self.places: dict[str, tuple[int, str]] = {}  # of each operator: its entry of `context`, and its module
        if context is None:
            raise ValueError(f'WithContext needs a context, a dict or a list of dicts, got {context!r}.')
        wanted: dict[str, tuple[dict, str, int]] = {}
        for number, (key, entry) in enumerate(context_entries(context).items()):
            for name in _chosen(self.backbone, entry, key):
                if name in wanted:
                    raise ValueError(f'{key}.after and {wanted[name][1]}.after both name {name!r}.')
                wanted[name] = entry['op'], key, number
        self.input_size = image_size('input_size', input_size)
        image = torch.empty(1, backbone.get('in_channels', 3), *self.input_size)
        outputs = _outputs(self.backbone, list(wanted), image)
        for name, (op, key, number) in wanted.items():
            operator = _operator(op, key, name, outputs[name])
            slot = name.replace('.', '_')
            if slot in self.context:
                raise ValueError(f'{key}.after: {name!r} and another module would both be called {slot!r}.')
            self.context[slot], self.places[slot] = operator, (number, name)
            self.backbone.get_submodule(name).register_forward_hook(_Slot(self.context, slot), with_kwargs=True)
        if taken := [key for key in self.backbone.state_dict() if key.startswith('context.')]:
            raise ValueError(f'{type(self.backbone).__name__} has a tensor {taken[0]!r}, and context.* are the names '
                             'of the operators.')
        self._register_state_dict_hook(_without_prefix)
        # The public name of torch 2.5 and later.
        self._register_load_state_dict_pre_hook(_with_prefix, with_module=True)

    def _taken_over(self) -> list[dict]:
        """Return what loads a checkpoint in the backbone's ``init_cfg``, which then is this module's to do.

        It stays there if the backbone converts checkpoints in an ``init_weights`` of its own, as Swin does.
        """
        how = getattr(type(self.backbone), 'init_weights', None)
        if how not in (BaseModule.init_weights, PretrainedModule.init_weights):
            return []
        loaders, others = split_loaders(self.backbone.init_cfg)
        if loaders:
            self.backbone.init_cfg = others
        return loaders

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.backbone(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == 'backbone':
                raise
            return getattr(super().__getattr__('backbone'), name)

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Return the depth of a parameter and the number of depths for mmpretrain's layer-wise decay, as the backbone
        says; an operator has that of the module that it follows.

        Args:
            param_name: Name in the whole model.
            prefix: Of this module there, such as ``'backbone.'``.

        Raises:
            NotImplementedError: The backbone does not say.
        """
        depth_of = getattr(self.backbone, 'get_layer_depth', None)
        if depth_of is None:
            raise NotImplementedError(f'{type(self.backbone).__name__} has no get_layer_depth, which layer-wise '
                                      'learning rate decay asks for.')
        if not param_name.startswith(prefix):
            return depth_of(param_name, prefix)
        own = param_name.removeprefix(prefix)
        if own.startswith('context.'):
            own = PREFIX + self._parameter_of(self.places[own.split('.')[1]][1])
        # Not by what is left of the name: mmpretrain's ResNet looks for 'backbone.' whatever the prefix.
        return depth_of(own, PREFIX)

    def _parameter_of(self, module: str) -> str:
        """Return the name of the first parameter of a module; where it has none, of the one around it."""
        names = [name for name, _ in self.backbone.named_parameters()]
        while module and not any(name.startswith(f'{module}.') for name in names):
            module = module.rpartition('.')[0]
        return next(name for name in names if name.startswith(f'{module}.' if module else ''))

    def train(self, mode: bool = True) -> 'WithContext':
        """Set the mode; the backbone freezes what it freezes, the operators learn."""
        self.training = mode
        self.backbone.train(mode)  # whose result is None for mmpretrain's
        self.context.train(mode)
        return self


class _Slot:
    """The forward hook of a module: its output passes through the operator of a slot."""

    def __init__(self, context: ModuleDict, slot: str):
        self.context, self.slot = context, slot

    def __call__(self, module: nn.Module, args: tuple, kwargs: dict, output: Tensor) -> Tensor:
        operator = self.context[self.slot]
        if output.dim() == 4:
            return operator(output)
        return _tokens(operator(_maps(output, _hw_shape(args, kwargs))))


def _maps(tokens: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Return ``(N, L, C)`` as ``(N, C, H, W)``; of one column where the size is not known."""
    return tokens.mT.unflatten(2, size or (tokens.shape[1], 1))


def _tokens(maps: Tensor) -> Tensor:
    return maps.flatten(2).mT


def _hw_shape(args: tuple, kwargs: dict) -> tuple[int, int] | None:
    """Return the (H, W) that the modules of vision transformers are told beside their tokens."""
    for value in (kwargs.get('hw_shape'), *args[1:]):
        if isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(size, int) for size in value):
            return tuple(value)
    return None


def _chosen(backbone: nn.Module, entry: Any, key: str) -> list[str]:
    """Return the names of the modules that ``entry['after']`` means."""
    if not isinstance(entry, dict) or not {'op', 'after'} <= entry.keys():
        raise ValueError(f"{key} must be a dict with op=dict(type='SqueezeExcite' or 'GatherExcite', ...) and "
                         f'after=<the names of modules>, got {entry!r}.')
    known_keys(key, entry, ['op', 'after'])
    modules, after = dict(backbone.named_modules()), entry['after']
    if isinstance(after, str):
        try:
            names = [name for name in modules if name and re.fullmatch(after, name)]
        except re.error as error:
            raise ValueError(f'{key}.after={after!r} is not a regular expression: {error}.') from None
        unknown = [] if names else [after]
    elif isinstance(after, (list, tuple)):
        names = list(after)
        unknown = [name for name in names if name not in modules or not name]
    else:
        raise ValueError(f'{key}.after must be names of modules, a list or a regular expression, got {after!r}.')
    if unknown or not names:
        near = did_you_mean(unknown[0], filter(None, modules)) if unknown else ''
        raise ValueError(f'{key}.after={after!r} names no module of {type(backbone).__name__}, which has '
                         f'{first_few([name for name in modules if name.count(".") < 2 and name], 20)}.{near}')
    for name in names:
        if isinstance(modules[name], (_BatchNorm, nn.SyncBatchNorm)):
            raise ValueError(f'{key}.after names {name!r}, a {type(modules[name]).__name__}: conversions replace '
                             'norms, and the operator would be lost. Name the convolution or block around it.')
    return names


def _outputs(backbone: nn.Module, names: list[str], image: Tensor) -> dict[str, tuple[Tensor, Any]]:
    """Return what each module puts out for an image of this size, and its hw_shape."""
    found, again = _one_pass(backbone, names, image), None
    for name, calls in found.items():
        if len(calls) != 1:
            raise ValueError(f'context.after names {name!r}, which runs {len(calls)} times in a pass of '
                             f'{type(backbone).__name__}; an operator needs a module that runs once.')
        output = calls[0][0]
        if not isinstance(output, Tensor) or output.dim() not in (3, 4):
            what = f'a tensor {tuple(output.shape)}' if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(f'context.after names {name!r}, whose output is {what}; an operator needs maps '
                             '(N, C, H, W) or token sequences (N, L, C).')
        if output.dim() == 4:
            if again is None:
                try:
                    again = _one_pass(backbone, names, F.pad(image, (0, 64, 0, 64)))
                except Exception:  # a backbone of one size
                    again = {}
            if again.get(name) and again[name][0][0].shape[1] != output.shape[1]:
                raise ValueError(f'context.after names {name!r}, whose output {tuple(output.shape)} has its channels '
                                 'last; an operator needs maps (N, C, H, W).')
    return {name: calls[0] for name, calls in found.items()}


@torch.no_grad()
def _one_pass(backbone: nn.Module, names: list[str], image: Tensor) -> dict[str, list]:
    """Run the backbone on an empty image and leave it as it was; return the outputs of each call of each module."""
    found: dict[str, list] = {name: [] for name in names}
    hooks = [backbone.get_submodule(name).register_forward_hook(
        lambda module, args, kwargs, output, name=name: found[name].append((output, _hw_shape(args, kwargs))),
        with_kwargs=True) for name in names]
    modes = [(module, module.training) for module in backbone.modules()]
    parameter = next(backbone.parameters())
    try:
        backbone.eval()  # in which some, such as LeViT, prepare what they need
        backbone(torch.zeros_like(image, dtype=parameter.dtype, device=parameter.device))
    finally:
        for hook in hooks:
            hook.remove()
        backbone.train(dict(modes)[backbone])
        for module, mode in modes:
            module.training = mode
    return found


def _operator(op: dict, key: str, name: str, output: tuple[Tensor, tuple[int, int] | None]) -> ContextOperator:
    """Build the operator after the module ``name``, for what it puts out."""
    output, size = output
    maps = output if output.dim() == 4 else _maps(output, size)
    if 'gate' in inspect.signature(operator_class(op, f'{key}.op')).parameters:
        op = {'gate': 'double_sigmoid', **op}
    operator = build_operator(op, maps.shape[1], norm_cfg=dict(type='BN'), map_size=tuple(maps.shape[-2:]),
                              key=f'{key}.op')
    if output.dim() == 3 and size is None and not isinstance(operator.gather, (GlobalPool, nn.Identity)):
        raise ValueError(f'{key}.op: {op!r} looks at neighbouring positions, but {name!r} puts out a token sequence '
                         f'{tuple(output.shape)} and is not told its hw_shape; use a global operator such as '
                         "dict(type='SqueezeExcite').")
    if not operator.has_logit_parameters:
        print_log(f'{key}.op={op!r} has no parameters that could make its gates 1: after {name!r} they change what '
                  'the backbone computes.', logger='current', level=logging.WARNING)
    elif operator.gate_name != 'double_sigmoid':
        print_log(f"{key}.op has gate={operator.gate_name!r}: it does not start at 1, and changes what a trained "
                  "backbone computes. gate='double_sigmoid' does not.", logger='current', level=logging.WARNING)
    return operator


def _settings(module: WithContext) -> dict[str, str]:
    return {f'context.{slot}': operator_settings(operator) for slot, operator in module.context.items()}


def _without_prefix(module: WithContext, state: dict, prefix: str, metadata: dict) -> None:
    """Write the backbone's tensors and settings by the names that it gives them alone, and the operators' settings."""
    inner = getattr(state, '_metadata', {}).get((prefix + PREFIX)[:-1])
    metadata[KEY] = {**settings_in(inner), **_settings(module)}
    for key in [key for key in state if key.startswith(prefix + PREFIX)]:
        state[prefix + key[len(prefix + PREFIX):]] = state.pop(key)


def _with_prefix(module: WithContext, state: dict, prefix: str, metadata: dict, strict: bool, missing: list,
                 unexpected: list, errors: list) -> None:
    """Read them so; say what a checkpoint without operators means, refuse one of operators that are not these."""
    if isinstance(module.backbone, PretrainedModule):
        module.backbone.metadata_around = metadata
    request = requested()
    if differing := differences(_settings(module), settings_in(metadata), request.checkpoint):
        differ = f'WithContext has {"; ".join(differing)}.'
        if request.strict is not False:
            raise request.refusal(differ)
        print_log(differ, logger='current', level=logging.WARNING)
    keys = [key for key in state if key.startswith(prefix)]
    theirs = [key for key in keys if not key.startswith(f'{prefix}context.')]
    # An error, as in our backbones: mmengine logs those of torch, or not even that.
    missing_operators([Placed(f'{prefix}context.{slot}', prefix, slot, module, operator)
                       for slot, operator in module.context.items()], state)
    if theirs and len(theirs) == len(keys):
        exact = all(operator.gate_name == 'double_sigmoid' and operator.has_logit_parameters
                    for operator in module.context.values())
        what = ('at gates of 1: the network computes what its backbone did' if exact else
                'whose gates do not start at 1: the network computes something else than its backbone did')
        print_log(f'Weights without operators: {len(module.context)} operators keep their initial values, {what}.',
                  logger='current', level=logging.INFO if exact else logging.WARNING)
    for key in theirs:
        state[prefix + PREFIX + key[len(prefix):]] = state.pop(key)
