"""The base class of every backbone and shared head, whose hook sees every load."""

from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.model import BaseModule, initialize
from mmengine.model.weight_init import PretrainedInit
from mmengine.registry import WEIGHT_INITIALIZERS
from torch import Tensor, nn

from se_backbones.models.loading.hook import before_load
from se_backbones.models.loading.settings import settings
from se_backbones.utils.metadata import KEY

DEFAULT_INIT = (dict(type='Kaiming', layer='Conv2d'), dict(type='Constant', val=1, layer=['_BatchNorm', 'GroupNorm']))


class PretrainedModule(BaseModule):
    """A module that checks each checkpoint loaded into it, and whose ``Pretrained`` initialiser runs last.

    Its hook (:mod:`se_backbones.models.loading.hook`) runs wherever tensors are loaded: ``load_state_dict``, mmengine's
    ``load_checkpoint``, ``init_cfg`` on this module or on one around it, ``load_from``, a resume, an inferencer. It
    inserts operators into plain weights without changing the function, counts missing keys, and compares settings that
    no tensor shows. A complete checkpoint is left as it is.

    In ``init_weights`` initialisers of mmengine's ``PretrainedInit`` and our ``Pretrained``, under whatever name, run
    after the children's and after :meth:`zero_init`; mmengine would do so with the literal ``Pretrained`` only.
    """

    default_init = DEFAULT_INIT
    norms_follow = True  # the convolution of their number, whose bias they can take

    def __init__(self, pretrained: str | None, init_cfg: dict | Sequence[dict] | None):
        if pretrained is not None:
            if not isinstance(pretrained, str):
                raise ValueError(f'pretrained must be a path or None, got {pretrained!r}.')
            if init_cfg:
                raise ValueError(f'pretrained={pretrained!r} and init_cfg={init_cfg!r} exclude each other; use '
                                 "init_cfg=dict(type='Pretrained', checkpoint=...) alone. mmseg's models hand theirs "
                                 'on: set model.pretrained=None, too.')
            init_cfg = dict(type='Pretrained', checkpoint=pretrained)
        super().__init__(init_cfg if init_cfg is not None else list(self.default_init))
        self._holds_weights = False
        # What a checkpoint says of the module around this one, where that hands its keys on to this one.
        self.metadata_around: dict[str, Any] = {}
        # A bound method: copies of this module, such as averaged ones, have their own.
        self._register_load_state_dict_pre_hook(self._before_load)

    def init_weights(self) -> None:
        if self.is_init:
            super().init_weights()  # logs that it has been called before
            return
        if self._holds_weights:
            # A model around this one has: mmengine runs what is not spelled 'Pretrained' before the children's own.
            self.is_init = True
            return
        configured = self.init_cfg
        loaders, self.init_cfg = split_loaders(configured)
        super().init_weights()
        self.init_cfg = configured
        self.zero_init()
        initialize(self, loaders)
        if not loaders:
            self.nothing_loaded()

    def zero_init(self) -> None:
        """Zero what starts at zero; loaded weights come after it."""

    def nothing_loaded(self) -> None:
        """Called when ``init_weights`` had no checkpoint to load."""

    def own_modules(self) -> dict[str, nn.Module]:
        """Return this module and its descendants by name, without modules of this class, which load for themselves."""
        return dict(_descend(self, ''))

    def _save_to_state_dict(self, destination: dict, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if hasattr(destination, '_metadata'):
            destination._metadata.setdefault(prefix[:-1], {})[KEY] = settings(self)

    def _before_load(self, state_dict: dict[str, Tensor], prefix: str, local_metadata: dict[str, Any], *_: Any) -> None:
        self._holds_weights |= before_load(self, state_dict, prefix, local_metadata or self.metadata_around)
        self.metadata_around = {}


def _descend(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    yield name, module
    for child_name, child in module.named_children():
        if not isinstance(child, PretrainedModule):
            yield from _descend(child, f'{name}.{child_name}'.lstrip('.'))


def split_loaders(init_cfg: dict | Sequence[dict] | None) -> tuple[list[dict], list[dict]]:
    """Return the initialisers that load a checkpoint, mmengine's own as ours, and the others.

    What counts is what an initialiser is, not how it is spelled.
    """
    loaders, others = [], []
    ours = WEIGHT_INITIALIZERS.get('se_backbones.Pretrained')
    for cfg in [init_cfg] if isinstance(init_cfg, dict) else init_cfg or ():
        found = WEIGHT_INITIALIZERS.get(cfg['type']) if isinstance(cfg['type'], str) else cfg['type']
        if found is PretrainedInit:
            loaders.append({**cfg, 'type': 'se_backbones.Pretrained'})
        elif isinstance(found, type) and issubclass(found, (PretrainedInit, ours)):
            loaders.append(cfg)
        else:
            others.append(cfg)
    return loaders, others
