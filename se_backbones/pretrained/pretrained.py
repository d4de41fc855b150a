"""The initialiser that loads a checkpoint: ``init_cfg=dict(type='se_backbones.Pretrained', checkpoint=...)``."""

import logging

from mmengine.logging import print_log
from mmengine.model.weight_init import update_init_info
from torch import Tensor, nn

from se_backbones.pretrained import source
from se_backbones.pretrained.coverage import Coverage, coverage
from se_backbones.pretrained.insertion import POLICIES, host_layers, insert, missing_operators, placed_operators
from se_backbones.pretrained.manifest import Weights
from se_backbones.pretrained.requirements import mismatches, running_config, warn_about_images
from se_backbones.registry import WEIGHT_INITIALIZERS
from se_backbones.utils.validation import first_few, one_of


@WEIGHT_INITIALIZERS.register_module()
class Pretrained:
    """Load a checkpoint, insert operators into plain weights, and refuse one that leaves anything random.

    Our backbones turn mmengine's ``Pretrained`` into this one. Given to a whole detector, it loads the detector and
    inserts the operators of its backbone and shared head.

    Args:
        checkpoint: ``se-backbones://NAME`` (``python -m se_backbones.weights list``), ``torchvision://``,
            ``open-mmlab://``, ``mmcls://``, a URL or a path. No code that a file may hold is run.
        prefix: Part of the checkpoint to load, such as ``'backbone.'``; None: all of it.
        insertion: What happens to operators for which the checkpoint has no tensors. ``'preserve'``: the network
            computes what the plain one did; ``'fresh'``: the gates start as drawn, near 0.5, and change the function.
        strict: Whether it is an error (or else a warning) if the checkpoint does not hold all tensors of a backbone,
            holds tensors of layers that the backbone does not have, or was trained with another ``style`` or
            ``stem_pool``. See :func:`se_backbones.pretrained.coverage.coverage` for what may be missing or left over.
        map_location: As in ``torch.load``.

    Raises:
        WeightsError: The checkpoint cannot be had or read.
        ValueError: It does not fit, it holds part of an operator, or ``'preserve'`` is impossible for an operator's
            placement or gate.
    """

    def __init__(self, checkpoint: str, prefix: str | None = None, insertion: str = 'preserve', strict: bool = True,
                 map_location: str = 'cpu'):
        self.checkpoint = checkpoint
        self.prefix = prefix
        self.insertion = one_of('init_cfg.insertion', insertion, POLICIES)
        self.strict = one_of('init_cfg.strict', strict, (True, False))
        self.map_location = map_location

    def __call__(self, module: nn.Module) -> None:
        # For a module of another library mmengine calls this before the children's own initialisation, which would
        # undo the loading; done here, it is not done again.
        for child in module.children():
            if hasattr(child, 'init_weights') and not getattr(child, 'is_init', False):
                child.init_weights()
        loaded = source.load(self.checkpoint, self.map_location)
        state = self._part(loaded.state)
        fitting = self._fitting(module, state)
        missing = missing_operators(module, fitting)
        parts = list(coverage(module, state, [placed.name for placed in missing]))
        self._check(module, parts, loaded.weights)
        layers = host_layers(module, missing, fitting) if self.insertion == 'preserve' else []
        own = module.state_dict()
        own.update({key: state[key] for key in fitting})
        module.load_state_dict(own)
        insert(layers)
        self._report(module, parts, missing, layers, state, fitting)
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=f'{type(self).__name__}: load from {self.checkpoint}')

    def _part(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors under the prefix."""
        state = {key.removeprefix('module.'): value for key, value in state.items()}
        if self.prefix is None:
            return state
        prefix = self.prefix.removesuffix('.') + '.'
        part = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        if not part:
            raise ValueError(f'init_cfg.prefix={self.prefix!r}: no key of {self.checkpoint} starts with it; they start '
                             f'with {_beginnings(state)}.')
        return part

    def _fitting(self, module: nn.Module, state: dict[str, Tensor]) -> set[str]:
        """Return the keys that the module has in the same shape."""
        own = module.state_dict()
        fitting = {key for key, value in state.items() if key in own and own[key].shape == value.shape}
        if not fitting:
            raise ValueError(
                f'init_cfg: none of the {len(own)} tensors of {type(module).__name__} is in {self.checkpoint}, whose '
                f'keys start with {_beginnings(state)}. A checkpoint of a whole model needs prefix="backbone."; '
                'tools/model_converters/convert_checkpoint.py renames the keys of other libraries.')
        return fitting

    def _check(self, module: nn.Module, parts: list[Coverage], weights: Weights | None) -> None:
        problems = [f'{self.checkpoint} does not fit {part.kind}{f" ({part.name})" * bool(part.name)}: '
                    f'{part.problem()}' for part in parts if not part.complete]
        if weights is not None:
            problems += [f'The backbone has {text}.' for text in mismatches(module, weights)]
            warn_about_images(running_config())
        if problems and self.strict:
            random = '' if all(part.complete for part in parts) else 'What is missing would stay random. '
            raise ValueError(f'init_cfg: {" ".join(problems)} {random}init_cfg=dict(..., strict=False) loads what fits '
                             'all the same.')
        for problem in problems:
            print_log(problem, logger='current', level=logging.WARNING)

    def _report(self, module: nn.Module, parts: list[Coverage], missing: list, layers: list, state: dict[str, Tensor],
                fitting: set[str]) -> None:
        for part in parts:
            name = part.name or 'backbone'
            print_log(f'{part.loaded} of {len(part.wanted)} {name} tensors from {self.checkpoint}', logger='current')
        leftover = [key for key in state if key not in fitting]
        if leftover:
            print_log(f'Left over in {self.checkpoint}: {first_few(leftover)}', logger='current')
        outside = [key for key in module.state_dict() if key not in fitting and 'num_batches_tracked' not in key
                   and not any(key.startswith(f'{part.name}.' if part.name else '') for part in parts)]
        if outside:
            print_log(f'Not in {self.checkpoint}, so drawn at random: {first_few(outside)}', logger='current',
                      level=logging.WARNING)
        if layers:
            print_log(f'Inserted {len(layers)} operators into the plain weights of {self.checkpoint}: each gate starts '
                      'at 0.5 and the layer it gates is doubled, so the network computes what it did.',
                      logger='current')
        fresh = len(missing) - len(layers)
        if fresh:
            print_log(f'{fresh} operators start with fresh gates, for {self.checkpoint} has no tensors for them: they '
                      'change what the loaded network computes.', logger='current', level=logging.WARNING)
        fixed = [placed for placed in placed_operators(module) if placed.operator.logit_layer is None]
        if fixed:
            print_log(f'{len(fixed)} operators without parameters (theta_minus) gate the weights of {self.checkpoint}. '
                      'If these come from a plain network, the gates change its function; training adapts the rest.',
                      logger='current', level=logging.WARNING)


def _beginnings(state: dict[str, Tensor]) -> str:
    return ', '.join(sorted({key.split('.')[0] + '.' for key in state})[:8])
