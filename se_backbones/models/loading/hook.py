"""The state-dict hook that every load passes, whoever starts it."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mmengine.logging import print_log
from torch import Tensor, nn

from se_backbones.models.loading.coverage import Coverage, coverage
from se_backbones.models.loading.insertion import Placed, insert, layers_to_double, placed_operators
from se_backbones.models.loading.request import Request, requested
from se_backbones.models.loading.settings import differences, settings
from se_backbones.utils.biases import into_norms
from se_backbones.utils.metadata import settings_in
from se_backbones.utils.validation import first_few

if TYPE_CHECKING:
    from se_backbones.models.loading.module import PretrainedModule


def before_load(part: 'PretrainedModule', state_dict: dict[str, Tensor], prefix: str, local_metadata: Any) -> bool:
    """Put into a state dict what a backbone or shared head is to load, and say what there is to say.

    It is always told that the load is strict and cannot tell one from another. What is new in this network therefore
    stays missing: a strict load raises as torch's rules want.

    Args:
        part: What is loaded.
        state_dict: torch and mmengine have copied the caller's; new tensors are put into it, none is changed.
        prefix: Of the part's keys.
        local_metadata: What the file says of the part; it may be anything.

    Returns:
        Whether any tensor of the part is there.

    Raises:
        MisfitError: The tensors belong to another network; see :class:`~se_backbones.models.loading.request.Request`.
    """
    request = requested()
    modules = part.own_modules()
    state = {key[len(prefix):]: value for key, value in state_dict.items() if key.startswith(prefix)}
    if part.norms_follow:
        state = into_norms(state, keep=[key for key, _ in part.named_parameters()])
    found = coverage(part, state)
    trained = settings_in(local_metadata)
    name = f'{type(part).__name__}{f" ({prefix[:-1]})" * bool(prefix)}'
    _check(part, name, found, differences(settings(part), trained, request.checkpoint), request)
    inserted, fresh = [], []
    names = {module: key for key, module in modules.items()}
    for placed in found.new:
        if not any(key.startswith(f'{placed.unit_name}.') for key in state):
            continue  # a part of the network that this checkpoint does not hold
        if (request.insertion or placed.operator.insertion) == 'fresh':
            fresh.append(placed)
            continue
        layers = layers_to_double(placed, names)
        if _holds(state, layers, modules):
            state.update(insert(placed, layers, modules, state))
            inserted.append(placed)
    state_dict.update({prefix + key: value for key, value in state.items()})
    _report(name, found, inserted, fresh, request)
    if found.loaded:
        _warn_of_theta_minus(name, modules, trained, request)
    return found.loaded > 0


def _holds(state: Mapping[str, Tensor], layers: Sequence[str], modules: Mapping[str, nn.Module]) -> bool:
    expected = {f'{layer}.{key}': value for layer in layers
              for key, value in modules[layer].named_parameters(recurse=False)}
    return all(key in state and state[key].shape == value.shape for key, value in expected.items())


def _check(part: nn.Module, name: str, found: Coverage, differing: Sequence[str], request: Request) -> None:
    refused, warned = [], []
    if differing:
        (warned if request.strict is False else refused).append(f'{name} has {"; ".join(differing)}.')
    if not found.complete:
        (refused if request.strict else warned).append(
            f'{request.checkpoint} does not fit {name}: {found.problem()}')
    if refused:
        raise request.refusal(*refused, *([] if found.complete else ['What is missing would stay random.']))
    for text in warned:
        _warn(text)
    missing = {*found.missing, *found.mismatched}
    frozen = [key for key, value in part.named_parameters() if key in missing and not value.requires_grad]
    if frozen:
        _warn(f'{name}: {len(frozen)} tensors that {request.checkpoint} does not hold are frozen (frozen_stages, '
              f'norm_cfg.requires_grad) and stay random: {first_few(frozen)}.')


def _report(name: str, found: Coverage, inserted: Sequence[Placed], fresh: Sequence[Placed], request: Request) -> None:
    if request.key:
        print_log(f'{found.loaded} of {len(found.expected)} tensors of {name} from {request.checkpoint}',
                  logger='current')
    if inserted:
        # Whoever did not ask for plain weights in an init_cfg may take this network for a trained one.
        print_log(f'{name}: inserted {len(inserted)} operators into the plain weights of {request.checkpoint} '
                  'exactly: until it is trained, the network computes what the plain one does.',
                  logger='current', level=logging.WARNING if request.strict is None else logging.INFO)
    if fresh:
        _warn(f'{name}: {len(fresh)} operators start with fresh gates, for {request.checkpoint} has no tensors for '
              'them: they change what the loaded network computes.')


def _warn_of_theta_minus(name: str, modules: Mapping[str, nn.Module], trained: Mapping[str, str],
                         request: Request) -> None:
    fixed = [placed for placed in placed_operators(modules)
             if placed.operator.logit_layer is None and placed.name not in trained]
    if fixed:
        _warn(f'{name}: {len(fixed)} operators without parameters (theta_minus) gate the weights of '
              f'{request.checkpoint}. If these come from a plain network, the gates change its function; training '
              'adapts the rest.')


def _warn(text: str) -> None:
    print_log(text, logger='current', level=logging.WARNING)
