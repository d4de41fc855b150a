"""Gather-Excite (arXiv 1810.12348); released networks: hujie-frank/GENet (Caffe, global
extents, no weights), and with weights MindSpore's GENet_Res50.
"""

from torch import nn

from se_backbones.models.operators.base import ContextOperator
from se_backbones.models.operators.excite import BottleneckExcite
from se_backbones.models.operators.gather import EXTENTS, DepthwiseGather, FullMapGather, GlobalPool, LocalAveragePool
from se_backbones.registry import MODELS
from se_backbones.utils.validation import image_size, one_of, positive_int

VARIANTS = ('theta_minus', 'theta', 'theta_plus')


@MODELS.register_module()
class GatherExcite(ContextOperator):
    """The GE operator ``y = x * sigmoid(interp(excite(gather(x))))`` (GE paper, eq. 1); ``(N, C, H, W)`` in and out.

    ============== ============================================================ ==============================
    variant        gather                                                       excite
    ============== ============================================================ ==============================
    theta_minus    average pooling, no parameters (section 3.1)                 none
    theta          depth-wise convolutions with norms (section 3.2)             none
    theta_plus     as theta, with a ReLU after the last norm (section 3.2)      1x1 pair, as SE
    ============== ============================================================ ==============================

    A batch norm of a learned gather that sees one value per channel in training, as one image with ``'global'`` or
    with a map of a single cell gives it, has no variance to divide by: it uses its running statistics, leaves them as
    they are, and the log says so once. A batch without images passes through.

    Args:
        in_channels: C.
        variant: See the table.
        extent: Extent ratio e in 2, 4, 8: the gate has ``ceil(H / e) x ceil(W / e)`` cells; or ``'global'``: one cell.
        ratio: Reduction ratio of theta_plus' excitation. Default 16.
        bias: Bias of theta_plus' excitation. Default True, as released.
        map_size: ``(H, W)`` or one int, for ``'global'`` with parameters, whose kernel spans the map. Our backbones
            derive it from ``input_size``.
        norm_cfg: Norm of the learned gathers. Default ``dict(type='BN')``; our backbones pass their own.
        halved: For ``'global'`` with parameters: a dense 3x3 convolution of stride 2 and a norm before the kernel that
            spans the map, as in the first stage of MindSpore's GENet. Default False.
        relu: For theta_plus: whether there is a ReLU after the last norm. Default True; MindSpore's GENet has none, and
            ``bias=False``.
        gate: ``'sigmoid'`` as in the paper, or ``'double_sigmoid'``: twice the sigmoid, with logits that start at 0
            where the variant has parameters, so that the gate starts at exactly 1.

    Raises:
        ValueError: An option outside these values, or one that has no effect in this variant.
    """

    _abbr_ = 'gather_excite'

    def __init__(self, in_channels: int, variant: str = 'theta_minus', extent: int | str = 'global',
                 ratio: int | None = None, bias: bool | None = None, map_size: int | tuple[int, int] | None = None,
                 norm_cfg: dict | None = None, halved: bool | None = None, relu: bool | None = None,
                 gate: str = 'sigmoid'):
        one_of('GatherExcite.variant', variant, VARIANTS)
        one_of('GatherExcite.extent', extent, EXTENTS)
        needed = self.needs(variant=variant, extent=extent)
        given = dict(ratio=ratio, bias=bias, map_size=map_size, norm_cfg=norm_cfg, halved=halved, relu=relu)
        for option, value in given.items():
            if value is not None and option not in needed:
                raise ValueError(f'GatherExcite.{option}={value!r} has no effect with variant={variant!r} and '
                                 f'extent={extent!r}; remove it.')
        if 'map_size' in needed and map_size is None:
            raise ValueError(
                f'GatherExcite(variant={variant!r}, extent="global") needs map_size, the (height, width) of the maps '
                'it will see, because its kernel spans the whole map; or use extent=8, which takes any size.')
        norm_cfg = norm_cfg or dict(type='BN')
        one_of('GatherExcite.relu', relu, (True, False, None))
        one_of('GatherExcite.halved', halved, (True, False, None))
        final_relu = variant == 'theta_plus' and relu is not False
        if variant == 'theta_minus':
            gather = GlobalPool('avg') if extent == 'global' else LocalAveragePool(extent)
        elif extent == 'global':
            gather = FullMapGather(in_channels, image_size('GatherExcite.map_size', map_size), norm_cfg, final_relu,
                                   bool(halved))
        else:
            gather = DepthwiseGather(in_channels, extent, norm_cfg, final_relu)
        excite = None
        if variant == 'theta_plus':
            ratio = positive_int('GatherExcite.ratio', 16 if ratio is None else ratio)
            bias = one_of('GatherExcite.bias', True if bias is None else bias, (True, False))
            excite = BottleneckExcite(in_channels, ratio, bias)
        one_of('GatherExcite.gate', gate, ('sigmoid', 'double_sigmoid'))
        super().__init__(in_channels, gather, excite, gate)
        self.variant = variant
        self.extent = extent
        if relu is False:
            self.relu = False  # beside the weights: no tensor shows it

    @staticmethod
    def needs(variant: str = 'theta_minus', extent: int | str = 'global', **_) -> set[str]:
        """Return which of ``ratio bias map_size norm_cfg halved relu`` have an effect with these settings."""
        if variant == 'theta_minus':
            return set()
        return ({'norm_cfg'} | ({'map_size', 'halved'} if extent == 'global' else set())
                | ({'ratio', 'bias', 'relu'} if variant == 'theta_plus' else set()))

    @property
    def logit_layer(self) -> nn.Module | None:
        if isinstance(self.excite, BottleneckExcite):
            return self.excite.up
        return getattr(self.gather, 'last_norm', None)

    def reset_parameters(self) -> None:
        for module in self.gather.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity='relu')  # "MSRA", fan-in as Caffe's default
            elif getattr(module, 'weight', None) is not None:  # a norm
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
        for module in self.excite.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)  # as in RN50-GEPP.prototxt
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def extra_repr(self) -> str:
        return f'in_channels={self.in_channels}, variant={self.variant}, extent={self.extent}'
