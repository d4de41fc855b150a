"""The initialiser that loads a checkpoint: ``init_cfg=dict(type='se_backbones.Pretrained', checkpoint=...)``."""

import logging

from mmengine.logging import print_log
from mmengine.model.weight_init import update_init_info
from mmengine.runner.checkpoint import load_state_dict
from torch import Tensor, nn

from se_backbones.models.backbones.with_context import WithContext
from se_backbones.models.loading import MisfitError, PretrainedModule, Request, loading
from se_backbones.models.loading.coverage import unmatched
from se_backbones.models.placement import INSERTIONS
from se_backbones.pretrained import source
from se_backbones.pretrained.adaptation import adapt_input
from se_backbones.pretrained.requirements import running_config, warn_about_images
from se_backbones.registry import WEIGHT_INITIALIZERS
from se_backbones.utils.metadata import under
from se_backbones.utils.validation import first_few, one_of


@WEIGHT_INITIALIZERS.register_module()
class Pretrained:
    """Load a checkpoint, and refuse one that leaves anything random.

    Our backbones turn mmengine's ``Pretrained`` into this one. Given to a whole detector, it loads the detector. Each
    module decides about its tensors: :class:`se_backbones.models.loading.PretrainedModule`.

    Args:
        checkpoint: ``se-backbones://NAME`` (``se-backbones weights list``), ``torchvision://``,
            ``open-mmlab://``, ``mmcls://``, ``hf-hub:OWNER/NAME``, a URL or a path. No code that a file may hold is
            run.
        prefix: Part of the checkpoint to load, such as ``'backbone.'``; None: all of it.
        insertion: ``'preserve'`` or ``'fresh'``, in place of the one that ``context`` says, if it is not None.
        strict: Whether it is an error (or else a warning) if the checkpoint does not hold all tensors of a backbone,
            holds tensors of layers that the backbone does not have, or was trained with another ``style``,
            ``stem_pool``, gate or the like. See :func:`se_backbones.models.loading.coverage.coverage` for what may be
            missing or left over.
        map_location: As in ``torch.load``.
        adapt_input: Whether a first convolution that was trained on three channels is made to take another number:
            :func:`se_backbones.pretrained.adaptation.adapt_input`.

    Raises:
        WeightsError: The checkpoint cannot be loaded.
        MisfitError: It does not fit, it holds part of an operator, or ``'preserve'`` is impossible for an operator's
            placement or gate. A ValueError.
    """

    def __init__(self, checkpoint: str, prefix: str | None = None, insertion: str | None = None, strict: bool = True,
                 map_location: str = 'cpu', adapt_input: bool = False):
        self.checkpoint = checkpoint
        self.prefix = prefix
        self.insertion = one_of('init_cfg.insertion', insertion, (*INSERTIONS, None))
        self.strict = one_of('init_cfg.strict', strict, (True, False))
        self.map_location = map_location
        self.adapt_input = one_of('init_cfg.adapt_input', adapt_input, (True, False))

    def __call__(self, module: nn.Module) -> None:
        # For a module of another library mmengine calls this before the children's own initialisation, which would
        # undo the loading; done here, it is not done again.
        for child in module.children():
            if hasattr(child, 'init_weights') and not getattr(child, 'is_init', False):
                child.init_weights()
                child.is_init = True  # mmcv's ConvModule does not say so itself
        loaded = source.load(self.checkpoint, self.map_location)
        if loaded.weights is not None:
            warn_about_images(running_config())
        state = self._part(loaded.state)
        if self.adapt_input:
            state.update(adapt_input(module, state))
        with loading(Request(self.checkpoint, 'init_cfg: ', self.strict, self.insertion)):
            # torch's own raises for a head of another size; what it would say, the modules and _report do.
            load_state_dict(module, state, strict=False, logger='silent')
        self._report(module, state)
        if hasattr(module, '_params_init_info'):
            update_init_info(module, init_info=f'{type(self).__name__}: load from {self.checkpoint}')

    def _part(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors under the prefix."""
        if self.prefix is None:
            return state
        prefix = self.prefix.removesuffix('.') + '.'
        # DataParallel's is gone when a file has been read.
        part = under(prefix, state) or under(prefix.removeprefix('module.'), state)
        if not part:
            tops = sorted({f'{key.split(".")[0]}.' for key in state})
            raise MisfitError(f'init_cfg.prefix={self.prefix!r}: no key of {self.checkpoint} starts with it; they '
                              f'start with {first_few(tops, 8)}')
        return part

    def _report(self, module: nn.Module, state: dict[str, Tensor]) -> None:
        own = module.state_dict()
        unexpected = [key for key in state if key not in own]
        if unexpected:
            print_log(f'Unexpected keys in {self.checkpoint}: {first_few(unexpected)}', logger='current')
        # Ours say themselves what is missing, and WithContext which operators are.
        ours, around = (tuple(f'{name}.{last}'.lstrip('.') for name, part in module.named_modules()
                              if isinstance(part, kind))
                        for kind, last in ((PretrainedModule, ''), (WithContext, 'context.')))
        outside = [key for key in unmatched(own, state) if not key.startswith(ours)
                   and (key in state or not key.startswith(around))]
        if outside:
            print_log(f'Missing in {self.checkpoint}, so random: {first_few(outside)}', logger='current',
                      level=logging.WARNING)
