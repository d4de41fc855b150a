"""What all architectures have in common, and hosts ask of a backbone: freezing, norm_eval, feature_info."""

import logging
from collections.abc import Iterator, Sequence

from mmengine.logging import print_log
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from se_backbones.models.backbones.arguments import check_arguments
from se_backbones.models.backbones.stages import Feature
from se_backbones.models.loading import PretrainedModule
from se_backbones.models.operators import ContextOperator
from se_backbones.utils.signatures import ConstructorSignature
from se_backbones.utils.validation import image_size


class Backbone(PretrainedModule):
    """Constructor arguments, freezing, ``norm_eval`` and ``feature_info`` of a backbone of a stem and stages.

    Subclasses build their modules, name them in ``stage_names`` (or :meth:`stage_modules`, where a stage has several)
    and :meth:`stem_modules`, set ``features`` and call :meth:`freeze` at the end of ``__init__``. They take the
    arguments below as ``**kwargs``.

    Args:
        num_stages: Number of stages.
        in_channels: Channels of the image.
        out_indices: Stages whose outputs ``forward`` returns, in this order. Default: the last.
        frozen_stages: The stem (0) and the first stages (1 and more) that do not learn; -1: none.
        conv_cfg, norm_cfg: mmcv's layer configs; default norm: ``dict(type='BN')``.
        norm_eval: Whether batch norms keep their running statistics in training.
        with_cp: Recompute units in the backward pass.
        input_size: Image size, int or (H, W), from which global ``theta`` gathers derive their kernels. Default 224.
        pretrained: Deprecated in mmdet: a checkpoint; use ``init_cfg``.
        init_cfg: mmengine's initialiser configs; ``Pretrained`` inserts operators into plain weights without changing
            the function.
    """

    __signature__ = ConstructorSignature()
    stage_names: Sequence[str]
    features: list[Feature]

    def __new__(cls, *args, **kwargs):
        # Here, since copies and pickles, which come without arguments, need no check.
        if args or kwargs:
            check_arguments(cls, args, kwargs)
        return super().__new__(cls)

    def __init__(self, num_stages: int, /, *, in_channels: int = 3, out_indices: Sequence[int] | None = None,
                 frozen_stages: int = -1, conv_cfg: dict | None = None, norm_cfg: dict | None = None,
                 norm_eval: bool = False, with_cp: bool = False, input_size: int | tuple[int, int] = 224,
                 pretrained: str | None = None, init_cfg: dict | Sequence[dict] | None = None):
        super().__init__(pretrained, init_cfg)
        stages = range(num_stages)
        if out_indices is None:
            out_indices = stages[-1:]
        elif not isinstance(out_indices, (tuple, list)) or not out_indices or any(i not in stages for i in out_indices):
            raise ValueError(f'out_indices must hold stages among {tuple(stages)}, got {out_indices!r}.')
        if frozen_stages not in range(-1, num_stages + 1):
            raise ValueError(f'frozen_stages must be from -1 (none) and 0 (the stem) to {num_stages}, got '
                             f'{frozen_stages!r}.')
        self.num_stages = num_stages
        self.in_channels = in_channels
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.conv_cfg = conv_cfg
        self.norm_cfg = norm_cfg or dict(type='BN')
        self.norm_eval = norm_eval
        self.with_cp = with_cp
        self.input_size = image_size('input_size', input_size)

    @property
    def layer_cfgs(self) -> dict:
        """``conv_cfg`` and ``norm_cfg``, which layers are built from."""
        return dict(conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg)

    @property
    def unit_options(self) -> dict:
        """What all units are told."""
        return dict(self.layer_cfgs, with_cp=self.with_cp)

    @property
    def feature_info(self) -> tuple[Feature, ...]:
        """Stage, channels and stride of each map that ``forward`` returns."""
        return tuple(self.features[index] for index in self.out_indices)

    def stem_modules(self) -> list[nn.Module]:
        """Return the modules before the first stage."""
        raise NotImplementedError

    def stage_modules(self, stage: int) -> list[nn.Module]:
        """Return the modules of one stage, in the order in which they run."""
        return [getattr(self, self.stage_names[stage])]

    def layer_groups(self) -> list[list[nn.Module]]:
        """Return what has one rate each in layer-wise learning rate decay, after the stem: the stages."""
        return [self.stage_modules(stage) for stage in range(self.num_stages)]

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Return the depth of a parameter and the number of depths; mmpretrain's layer-wise decay asks for them.

        0 is the stem, then come the :meth:`layer_groups`, operators with their unit, and last what has a name of
        another prefix: a head.

        Args:
            param_name: Name in the whole model.
            prefix: Of this backbone there, such as ``'backbone.'``.
        """
        groups = self.layer_groups()
        if not param_name.startswith(prefix):
            return len(groups) + 1, len(groups) + 2
        wanted = self.get_parameter(param_name.removeprefix(prefix))
        depth = next((depth for depth, group in enumerate(groups, 1) for module in group
                      if any(parameter is wanted for parameter in module.parameters())), 0)
        return depth, len(groups) + 2

    def run_stages(self, x: Tensor) -> tuple[Tensor, ...]:
        """Pass the stem's output through as many stages as needed; return the maps in ``out_indices`` order."""
        outputs = {}
        for stage in range(max(self.out_indices) + 1):
            for module in self.stage_modules(stage):
                x = module(x)
            if stage in self.out_indices:  # a map that is not asked for is not kept
                outputs[stage] = x
        return tuple(outputs[stage] for stage in self.out_indices)

    def _frozen_modules(self) -> Iterator[nn.Module]:
        frozen = self.stem_modules() if self.frozen_stages >= 0 else []
        for stage in range(self.frozen_stages):
            frozen = [*frozen, *self.stage_modules(stage)]
        for module in frozen:
            yield from without_learning_operators(module)

    def freeze(self) -> None:
        """Stop the gradients of the frozen stages; once, as optimizers and DDP are built before weights arrive."""
        for module in self._frozen_modules():
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad = False

    def train(self, mode: bool = True) -> 'Backbone':
        """Set the mode as torch does, but keep frozen stages and, with ``norm_eval``, batch norms in eval mode."""
        super().train(mode)
        for module in self._frozen_modules():
            module.training = False
        if self.norm_eval:
            norms_to_eval(self)
        return self

    def nothing_loaded(self) -> None:
        if self.norm_eval and any(isinstance(module, _BatchNorm) for module in without_learning_operators(self)):
            print_log(f'{type(self).__name__} has norm_eval=True and nothing was loaded into it: its batch norms will '
                      'train with mean 0 and variance 1. Give it init_cfg=dict(type="Pretrained", ...), or '
                      'norm_eval=False to train from scratch.', logger='current', level=logging.WARNING)


class ResidualBackbone(Backbone):
    """A backbone of residual units.

    Args:
        drop_path_rate: Stochastic depth: the probability to drop the branch of an image in training, of the last unit;
            units before it have linearly less.
        kwargs: See :class:`Backbone`.
    """

    def __init__(self, num_stages: int, /, *, drop_path_rate: float = 0.0, **kwargs):
        super().__init__(num_stages, **kwargs)
        self.drop_path_rate = drop_path_rate

    @property
    def unit_options(self) -> dict:
        return dict(super().unit_options, drop_path_rate=self.drop_path_rate)


def without_learning_operators(module: nn.Module) -> Iterator[nn.Module]:
    """Yield ``module`` and its descendants, leaving out operators that learn inside a frozen network."""
    if isinstance(module, ContextOperator) and not module.freeze_with_stage:
        return
    yield module
    for child in module.children():
        yield from without_learning_operators(child)


def norms_to_eval(module: nn.Module) -> None:
    """Put the batch norms into eval mode, but for those of operators that learn inside a frozen network."""
    for norm in without_learning_operators(module):
        if isinstance(norm, _BatchNorm):
            norm.eval()
