"""Count what one image costs in a network: parameters, multiply-adds and element-wise work, by stage and by operator.

The forward runs on the meta device: shapes flow, nothing is computed, so that the largest network takes a fraction of a
second. Each call of a torch operation is seen by a dispatch mode; hooks say in which stage and operator it happens.
torch's flop formulas give the multiply-adds. mmengine's ``FlopAnalyzer`` gives the same for convolutions and linear
layers (a test compares them) but serves less well here: it adds norms (2 per element) and adaptive pools to the same
total, and leaves out all that is particular to SE and GE: means, average pools, sigmoids and the scale.

What is counted, for one image, in eval mode:

* ``multiply_adds``: convolutions (groups respected, padding counted as read, as all published figures do), linear
  layers, matrix products. The addition of a bias is not counted: it is the accumulator's first value.
* ``elementwise``: one operation per element of the output of any point-wise function (``scale``: the products inside a
  context operator, i.e. gate times features; ``sum``: additions of two maps, as of branch and shortcut; ``pointwise``:
  ReLU, sigmoid, other products); one per element of a ``norm``, which is one multiply-add in eval mode; one per cell
  read in a ``pool`` (windows at a border count whole).
* Views, copies, concatenations and index look-ups (a gate's nearest-neighbour interpolation) cost nothing here, as they
  compute nothing. Any other operation is listed in ``left_out``, with its number of calls.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from se_backbones.engine.checks.network import without_memory
from se_backbones.models.backbones.base import Backbone
from se_backbones.models.operators import ContextOperator
from se_backbones.models.sizes import input_channels
from se_backbones.utils.validation import image_size

PLAIN = 'plain'  # what belongs to no context operator
Owner = tuple[str, str]  # place and operator
aten = torch.ops.aten
MEANS = {aten.mean, aten.amax, aten._adaptive_avg_pool2d, aten.adaptive_avg_pool2d, aten.adaptive_max_pool2d}
WINDOWS = {aten.avg_pool2d, aten.max_pool2d_with_indices}
NORMS = {aten.native_batch_norm, aten._native_batch_norm_legit, aten._native_batch_norm_legit_no_training,
         aten.cudnn_batch_norm, aten.native_group_norm, aten.native_layer_norm}
PRODUCTS = {aten.mul, aten.mul_}
ADDITIONS = {aten.add, aten.add_}
# Point-wise functions without torch's tag for these.
UNTAGGED = {aten.hardtanh_, aten.hardswish, aten.hardswish_, aten.hardsigmoid_, aten.leaky_relu, aten.leaky_relu_,
            aten.elu_, aten.mish_, aten._prelu_kernel}
COPIES = {aten.cat, aten.clone, aten.copy, aten.copy_, aten._to_copy, aten._unsafe_view, aten.contiguous, aten.empty,
          aten.zeros, aten.ones, aten.constant_pad_nd, aten.index, aten.index_select, aten.upsample_nearest2d,
          aten.arange, aten.fill_, aten.zero_, aten.stack, aten.roll, aten.new_zeros, aten.new_ones, aten.new_empty,
          aten.empty_like, aten.zeros_like, aten.ones_like, aten.scalar_tensor, aten.full}


@dataclass
class Cost:
    """What a part of a network costs; parts add up with ``+``.

    Attributes:
        parameters: All that an optimizer could train, frozen or not (convention A).
        frozen: How many of them have ``requires_grad=False``.
        statistics: Running means and variances of norms.
        multiply_adds: Of convolutions, linear layers and matrix products, for one image.
        elementwise: Other operations by kind, for one image: ``norm``, ``pool``, ``scale``, ``sum``, ``pointwise``.
    """

    parameters: int = 0
    frozen: int = 0
    statistics: int = 0
    multiply_adds: int = 0
    elementwise: Counter[str] = field(default_factory=Counter)

    @property
    def parameters_and_statistics(self) -> int:
        """Convention B: the four values per channel that Caffe stores for a norm all count."""
        return self.parameters + self.statistics

    def __add__(self, other: 'Cost') -> 'Cost':
        return Cost(self.parameters + other.parameters, self.frozen + other.frozen, self.statistics + other.statistics,
                    self.multiply_adds + other.multiply_adds, self.elementwise + other.elementwise)

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return dict(parameters=self.parameters, frozen=self.frozen, statistics=self.statistics,
                    parameters_and_statistics=self.parameters_and_statistics, multiply_adds=self.multiply_adds,
                    elementwise=dict(self.elementwise))


@dataclass
class Complexity:
    """The costs of a network for one image.

    Attributes:
        input_size: (H, W) of the image.
        parts: ``{(place, operator): cost}``; places are ``stem``, ``stages[0]``, ... of a backbone (counted as in a
            config's ``context.stages``) and the names of a model's other children; operators are classes of context
            operators, or ``plain``.
        not_run: Children of the model whose parameters are counted and whose work is not, since it depends on what the
            image holds: a detector's heads.
        left_out: Calls of operations that no rule covers.
    """

    input_size: tuple[int, int]
    parts: dict[Owner, Cost] = field(default_factory=dict)
    not_run: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> Cost:
        """The whole network."""
        return sum(self.parts.values(), Cost())

    @property
    def by_place(self) -> dict[str, Cost]:
        """``{'stem': cost, 'stages[0]': cost, ...}`` in the network's order."""
        return self._grouped(0)

    @property
    def by_operator(self) -> dict[str, Cost]:
        """``{'plain': cost, 'SqueezeExcite': cost, ...}``."""
        return self._grouped(1)

    def _grouped(self, index: int) -> dict[str, Cost]:
        groups: dict[str, Cost] = {}
        for key, cost in self.parts.items():
            groups[key[index]] = groups.get(key[index], Cost()) + cost
        return groups

    def as_dict(self) -> dict[str, Any]:
        """Return plain data, for JSON."""
        return dict(input_size=list(self.input_size), total=self.total.as_dict(),
                    by_place={name: cost.as_dict() for name, cost in self.by_place.items()},
                    by_operator={name: cost.as_dict() for name, cost in self.by_operator.items()},
                    not_run=self.not_run, left_out=dict(self.left_out))


def build(network: str | dict | Config) -> nn.Module:
    """Build a network without weights, and without memory where its constructor allows that.

    Args:
        network: A config file, a config with a ``model``, or the dict of one model or backbone.

    Raises:
        ValueError: There is no ``model`` in the config.
    """
    cfg = Config.fromfile(network) if isinstance(network, str) else network
    if isinstance(cfg, Config) or 'type' not in cfg:
        if 'model' not in cfg:
            raise ValueError(f'{getattr(cfg, "filename", None) or "the config"} has no model.')
        scope, cfg = cfg.get('default_scope', 'mmengine'), cfg['model']
    else:
        current = DefaultScope.get_current_instance()
        scope = current.scope_name if current else 'mmengine'
    with DefaultScope.overwrite_default_scope(scope):
        return without_memory(ConfigDict(cfg))


def complexity(network: nn.Module | str | dict | Config, input_size: int | tuple[int, int] = 224) -> Complexity:
    """Return what one image costs in a network.

    A detector with a second stage runs its backbone and neck only: what its heads do depends on the image.

    Args:
        network: A module on any device (nothing is computed, and it is left as it was), or see :func:`build`.
        input_size: Of the image, int or (H, W).

    Raises:
        ValueError: The network cannot run on the meta device, or not at this size.
    """
    size = image_size('input_size', input_size)
    model = network if isinstance(network, nn.Module) else build(network)
    result = Complexity(size)
    owners = dict(_walk(model, _places(model)))
    for module, owner in owners.items():
        cost = result.parts.setdefault(owner, Cost())
        for parameter in module.parameters(recurse=False):
            cost.parameters += parameter.numel()
            cost.frozen += parameter.numel() * (not parameter.requires_grad)
        if getattr(module, 'track_running_stats', False):
            cost.statistics += sum(b.numel() for name, b in module.named_buffers(recurse=False)
                                   if name in ('running_mean', 'running_var'))
    _run(model, owners, result)
    result.parts = {key: cost for key, cost in result.parts.items() if cost != Cost()}
    return result


def _places(model: nn.Module) -> dict[nn.Module, str]:
    """Return the name of each module that begins a place; what is inside it belongs to it too."""
    places = {model: 'model'}
    if not isinstance(model, Backbone):
        places |= {child: name for name, child in model.named_children()}
    for backbone in model.modules():
        if not isinstance(backbone, Backbone):
            continue
        # Stages after the last output never run.
        places |= {child: 'after the last output' for child in backbone.children() if list(child.parameters())}
        places |= dict.fromkeys([backbone, *backbone.stem_modules()], 'stem')
        scores = {feature.stage for feature in backbone.feature_info if feature.stride == 0}
        for stage in range(max(backbone.out_indices) + 1):
            name = 'classifier' if stage in scores else f'stages[{stage}]'
            places |= dict.fromkeys(backbone.stage_modules(stage), name)
    return places


def _walk(module: nn.Module, places: dict[nn.Module, str], place: str = '', operator: str = PLAIN,
          seen: set[nn.Module] | None = None) -> Iterator[tuple[nn.Module, Owner]]:
    """Yield each module once, with the place and operator that it belongs to."""
    seen = set() if seen is None else seen
    if module in seen:
        return
    seen.add(module)
    place = places.get(module, place)
    if isinstance(module, ContextOperator):
        operator = type(module).__name__
    yield module, (place, operator)
    for child in module.children():
        yield from _walk(child, places, place, operator, seen)


def _run(model: nn.Module, owners: dict[nn.Module, Owner], result: Complexity) -> None:
    """Pass one image of no content through ``model`` and add the work to ``result``."""
    runs = [lambda x: model(x, mode='tensor') if isinstance(model, BaseModel) else model(x)]
    if hasattr(model, 'extract_feat'):
        runs.append(model.extract_feat)
    for attempt, run in enumerate(runs, 1):
        counter = _Counter(owners)
        try:
            _run_on_meta(model, run, counter, result.input_size)
        except Exception as error:  # whatever a host's head raises when it meets tensors without values
            if attempt == len(runs):
                raise ValueError(f'{type(model).__name__} cannot be counted at {result.input_size[0]}x'
                                 f'{result.input_size[1]}: {error}') from error
            continue
        break
    for key, cost in counter.costs.items():
        result.parts[key] = result.parts.get(key, Cost()) + cost
    result.left_out = counter.left_out
    result.not_run = [name for name, child in model.named_children()
                      if attempt > 1 and list(child.parameters()) and child not in counter.called]


def _run_on_meta(model: nn.Module, run: Any, counter: '_Counter', size: tuple[int, int]) -> None:
    state = {name: tensor.to('meta') for name, tensor in [*model.named_parameters(), *model.named_buffers()]}
    modes = {module: module.training for module in model.modules()}
    handles = [handle for module in model.modules() for handle in counter.hooks(module)]
    runner = _Runner(model, run)
    try:
        with torch.no_grad(), counter:
            torch.func.functional_call(runner, {f'model.{name}': tensor for name, tensor in state.items()},
                                       (torch.empty(1, input_channels(model), *size, device='meta'),))
    finally:
        for handle in handles:
            handle.remove()
        model.train(modes[model])
        for module, training in modes.items():
            module.training = training


class _Runner(nn.Module):
    """Calls ``run`` in its forward, so that the parameters of ``model`` can be exchanged around it.

    There it is put into eval mode, too: some networks, such as LeViT, then compute with their parameters.
    """

    def __init__(self, model: nn.Module, run: Any):
        super().__init__()
        self.model = model
        self.run = run

    def forward(self, x: Tensor) -> Any:
        self.model.eval()
        return self.run(x)


class _Counter(TorchDispatchMode):
    """Sums the work of each operation under the place and operator of the module that runs it."""

    def __init__(self, owners: dict[nn.Module, Owner]):
        super().__init__()
        self.owners = owners
        self.costs: dict[Owner, Cost] = {}
        self.left_out: Counter[str] = Counter()
        self.called: set[nn.Module] = set()
        self._stack: list[Owner] = [('model', PLAIN)]

    def hooks(self, module: nn.Module) -> list[Any]:
        """Follow the calls of ``module``; return the hooks' handles."""
        # Every module is followed, not only those that begin a place: mmdet calls `bbox_head.forward`, which runs no
        # hooks of the head itself. A module that is shared between places works, like its parameters, for the first.
        def enter(module, args):
            self._stack.append(self.owners[module])
            self.called.add(module)

        def leave(module, args, output):
            self._stack.pop()
        return [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func._overloadpacket is aten.native_batch_norm:
            # Same shapes; torch finds them in a slow way, which took two fifths of the time of all papers' networks.
            out = torch.empty_like(args[0]), args[0].new_empty(0), args[0].new_empty(0)
        else:
            out = func(*args, **kwargs)
        self._count(func, args, kwargs, out)
        return out

    def _count(self, func: Any, args: tuple, kwargs: dict, out: Any) -> None:
        operation = func._overloadpacket
        result = out[0] if isinstance(out, (tuple, list)) else out
        if func.is_view or operation in COPIES or not isinstance(result, Tensor) or not result.is_floating_point():
            return  # integers are indices
        cost = self.costs.setdefault(self._stack[-1], Cost())
        if operation in flop_registry:
            cost.multiply_adds += flop_registry[operation](*args, **kwargs, out_val=out) // 2  # torch counts 2 each
        elif operation in NORMS:
            cost.elementwise['norm'] += result.numel()
        elif operation in MEANS:
            cost.elementwise['pool'] += args[0].numel()
        elif operation in WINDOWS:
            cost.elementwise['pool'] += result.numel() * prod([*args[1]] * (2 // len(args[1])))
        elif operation in PRODUCTS and self._stack[-1][1] != PLAIN:
            cost.elementwise['scale'] += result.numel()
        elif operation in ADDITIONS and all(getattr(term, 'shape', None) == result.shape for term in args[:2]):
            cost.elementwise['sum'] += result.numel()
        elif torch.Tag.pointwise in func.tags or operation in UNTAGGED:
            cost.elementwise['pointwise'] += result.numel()
        else:
            self.left_out[str(operation)] += 1
