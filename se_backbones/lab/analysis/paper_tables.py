"""Every printed cell on parameters and FLOPs of both papers, and the network that it is of; data only.

SE: arXiv 1709.01507v4; GE: arXiv 1810.12348v3. Where the text of a cell is lost in the PDF's text layer, it is from
public transcriptions of the same version. The settings of the networks, which the papers do not all state:

* ResNets have the stride in the first 1x1 and Caffe's stem pool, ResNeXts the stride in the 3x3, as in the released
  prototxts; so have Tables II and III biases in the SE layers. The ablations of the SE paper (Tables X to XVI) have
  none, as its section 6 says.
* ShuffleNet: the two papers' parameter counts need different widths inside the units of stride 2 (``bottleneck``), and
  the GE operators sit on all channels of those units (``context_on``).
* Inception-ResNet-v2 is that of the public releases, with 10, 20 and 10 blocks, at 299 pixels.

All have a classifier of 1,000 classes; backbones without one of their own get a linear layer on the pooled last map.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from se_backbones.lab.analysis.complexity import Cost


@dataclass(frozen=True)
class Convention:
    """What counts as an operation and as a parameter, the same for all cells of a paper.

    Parameters are the trainable ones and the running statistics of batch norms (convention B), which Caffe stores with
    the weights.

    Attributes:
        elementwise: Kinds of element-wise work that count beside the multiply-adds of convolutions and linear layers.
        text: What counts as an operation, in words.
    """

    elementwise: tuple[str, ...]
    text: str

    def operations(self, cost: 'Cost') -> int:
        """Return the FLOPs."""
        return cost.multiply_adds + sum(cost.elementwise[kind] for kind in self.elementwise)

    def parameters(self, cost: 'Cost') -> int:
        """Return the parameters."""
        return cost.parameters_and_statistics


# The papers do not say how they count; a table's name begins with the paper's.
CONVENTIONS = {
    'SE': Convention(('scale', 'sum'), 'multiply-adds of convolutions and fully connected layers, the products of gate '
                                       'and features, and the sums of branch and shortcut'),
    'GE': Convention(('scale',), 'multiply-adds of convolutions and fully connected layers, and the products of gate '
                                 'and features'),
}


# What counting otherwise in each section of experiments would give.
BY_SECTION = ("One convention for each section of the SE paper's experiments would give more: with that of the GE "
              'paper for sections 6 and 7, 21 of 30 cells on FLOPs agree, all 10 of these sections among them.')


class PaperRow(NamedTuple):
    """One row of a table.

    Attributes:
        table: Such as ``'SE Table II'``.
        name: The row's.
        network: The backbone's config.
        printed: ``{'GFLOPs' | 'MFLOPs' | 'Params (M)': the cell as it is printed}``.
        input_size: Pixels of a side.
        differs: For cells that our network misses under its paper's convention, where a reason is known: ``{quantity:
            reason}``. Tests hold each reason to what it claims.
        not_reproducible: The same for cells that no network is known for, or that contradict another cell; the reason
            reads on after "because".
    """

    table: str
    name: str
    network: dict[str, Any]
    printed: dict[str, str]
    input_size: int = 224
    differs: dict[str, str] = {}
    not_reproducible: dict[str, str] = {}


def _resnet(depth: int, op: dict | None = None, **context: Any) -> dict:
    return _with(dict(type='se_backbones.ResNet', depth=depth, style='caffe', stem_pool='caffe'), op, **context)


def _resnext(depth: int, op: dict | None = None) -> dict:
    return _with(dict(type='se_backbones.ResNeXt', depth=depth, stem_pool='caffe'), op)


def _shufflenet(op: dict | None = None, **settings: Any) -> dict:
    return _with(dict(type='se_backbones.ShuffleNetV1', groups=3, **settings), op)


def _with(network: dict, op: dict | None, **context: Any) -> dict:
    return network if op is None else dict(network, context=dict(op=op, **context))


def _only(stage: int) -> tuple[bool, ...]:
    """The papers' stage 2 is conv2_x, the first of four."""
    return tuple(stage == index for index in (2, 3, 4, 5))


SE = dict(type='SqueezeExcite')
SE_NO_BIAS = dict(type='SqueezeExcite', bias=False)
THETA_MINUS = dict(type='GatherExcite', variant='theta_minus')
THETA = dict(type='GatherExcite', variant='theta')
THETA_PLUS = dict(type='GatherExcite', variant='theta_plus')
VGG = dict(type='se_backbones.VGG', depth=16, num_classes=1000)
BN_INCEPTION = dict(type='se_backbones.BNInception')
INCEPTION_RESNET = dict(type='se_backbones.InceptionResNetV2')
MOBILENET = dict(type='se_backbones.MobileNetV1')


# Reasons.
POOL = ("agrees with the reads of the operators' pools, which take SE-ResNet-50, SE-ResNet-152 and SE-VGG-16 off their "
        'printed digits')
NO_SUMS = 'agrees without the residual sums, as the GE paper; ResNet-101 and -152 of Table II need them'
TRAINABLE_ALONE = 'trainable parameters alone agree; r = 4 of Table X, among others, needs the statistics too'
BIAS = 'biases in the operators would give it, and take r = 2 off its printed digit'
CUT_OFF = 'it is ours cut off after the digit, as all of Table 3 could be; Table 2 rounds 31.19 to 31.2'
UNPUBLISHED = ('the configuration is unpublished: nearest of 480 tried (block counts, stems, padding, 224 to 352 '
               'pixels) is depth=(5, 20, 5) with {}; of 4,608 that mix paddings two give both cells, at 320 pixels '
               'where the paper has 299')
NORMS = ('agrees, as all ResNeXts do, with an operation for each element of a norm in place of the residual sums; '
         'ResNet-50 and -101 need those')
TWO_WIDTHS = ("the row's two cells need different networks: bottleneck='output' gives {} and misses the parameters; "
              'the GE paper prints {} for its network of this name')
NOMINAL = '; 140 is the nominal size in the ShuffleNet paper, whose Table 1 has 137 for g = 3'
ELSEWHERE = ("the row's two cells need different networks: {} gives this one, see the last section, and misses the "
             'parameters')
AFTER_3X3 = ELSEWHERE.format("placement='3x3' (alone of 280 arrangements tried)")
NO_PLACEMENT = "neither placement gives it: context_on='branch' has fewer parameters still"
OWN_NETWORK = "the row's own network gives this one"


def _costs(gflops: str | None = None, params: str | None = None, mflops: str | None = None) -> dict[str, str]:
    cells = {'GFLOPs': gflops, 'MFLOPs': mflops, 'Params (M)': params}
    return {quantity: cell for quantity, cell in cells.items() if cell is not None}


ROWS = (
    PaperRow('SE Table II', 'ResNet-50', _resnet(50), _costs('3.86')),
    PaperRow('SE Table II', 'SE-ResNet-50', _resnet(50, SE), _costs('3.87')),
    PaperRow('SE Table II', 'ResNet-101', _resnet(101), _costs('7.58')),
    PaperRow('SE Table II', 'SE-ResNet-101', _resnet(101, SE), _costs('7.60'), differs={'GFLOPs': POOL}),
    PaperRow('SE Table II', 'ResNet-152', _resnet(152), _costs('11.30')),
    PaperRow('SE Table II', 'SE-ResNet-152', _resnet(152, SE), _costs('11.32')),
    PaperRow('SE Table II', 'ResNeXt-50', _resnext(50), _costs('4.24')),
    PaperRow('SE Table II', 'SE-ResNeXt-50', _resnext(50, SE), _costs('4.25'), differs={'GFLOPs': POOL}),
    PaperRow('SE Table II', 'ResNeXt-101', _resnext(101), _costs('7.99'), differs={'GFLOPs': NORMS}),
    PaperRow('SE Table II', 'SE-ResNeXt-101', _resnext(101, SE), _costs('8.00'), differs={'GFLOPs': POOL}),
    PaperRow('SE Table II', 'VGG-16', VGG, _costs('15.47')),
    PaperRow('SE Table II', 'SE-VGG-16', _with(VGG, SE), _costs('15.48')),
    PaperRow('SE Table II', 'BN-Inception', BN_INCEPTION, _costs('2.03')),
    PaperRow('SE Table II', 'SE-BN-Inception', _with(BN_INCEPTION, SE), _costs('2.04'), differs={'GFLOPs': POOL}),
    PaperRow('SE Table II', 'Inception-ResNet-v2', INCEPTION_RESNET, _costs('11.75'), 299,
             not_reproducible={'GFLOPs': UNPUBLISHED.format('11.765')}),
    PaperRow('SE Table II', 'SE-Inception-ResNet-v2', _with(INCEPTION_RESNET, SE), _costs('11.76'), 299,
             not_reproducible={'GFLOPs': UNPUBLISHED.format('11.780')}),

    PaperRow('SE Table III', 'MobileNet', MOBILENET, _costs(mflops='569', params='4.2'),
             differs={'Params (M)': TRAINABLE_ALONE}),
    PaperRow('SE Table III', 'SE-MobileNet', _with(MOBILENET, SE), _costs(mflops='572', params='4.7')),
    PaperRow('SE Table III', 'ShuffleNet', _shufflenet(bottleneck='branch'), _costs(mflops='140', params='1.8'),
             not_reproducible={'MFLOPs': TWO_WIDTHS.format('138.8', '137.5') + NOMINAL}),
    PaperRow('SE Table III', 'SE-ShuffleNet', _shufflenet(SE, bottleneck='branch'), _costs(mflops='142', params='2.4'),
             not_reproducible={'MFLOPs': TWO_WIDTHS.format('141.0', '139.9')}, differs={'Params (M)': TRAINABLE_ALONE}),

    *(PaperRow('SE Table X', f'r = {ratio}', _resnet(50, dict(SE_NO_BIAS, ratio=ratio)), _costs(params=params),
               differs={'Params (M)': BIAS} if ratio == 8 else {})
      for ratio, params in ((2, '45.7'), (4, '35.7'), (8, '30.7'), (16, '28.1'), (32, '26.9'))),
    PaperRow('SE Table X', 'original', _resnet(50), _costs(params='25.6')),

    PaperRow('SE Table XIII', 'ResNet-50', _resnet(50), _costs('3.86', '25.6')),
    *(PaperRow('SE Table XIII', f'SE_Stage_{stage}', _resnet(50, SE_NO_BIAS, stages=_only(stage)),
               _costs('3.86', params), differs={'GFLOPs': NO_SUMS})
      for stage, params in ((2, '25.6'), (3, '25.7'), (4, '26.4'))),
    PaperRow('SE Table XIII', 'SE_All', _resnet(50, SE_NO_BIAS), _costs('3.87', '28.1')),

    PaperRow('SE Table XV', 'SE', _resnet(50, SE_NO_BIAS), _costs('3.87', '28.1')),
    PaperRow('SE Table XV', 'SE_3x3', _resnet(50, SE_NO_BIAS, placement='3x3'), _costs('3.86', '25.8'),
             differs={'GFLOPs': NO_SUMS}),

    PaperRow('SE Table XVI', 'ResNet-50', _resnet(50), _costs('3.86', '25.6')),
    PaperRow('SE Table XVI', 'NoSqueeze', _resnet(50, dict(SE_NO_BIAS, squeeze='none')), _costs('4.27', '28.1'),
             differs={'GFLOPs': NO_SUMS}),
    PaperRow('SE Table XVI', 'SE', _resnet(50, SE_NO_BIAS), _costs('3.87', '28.1')),

    PaperRow('GE Table 1', 'baseline', _resnet(50), _costs('3.86', '25.6')),
    *(PaperRow('GE Table 1', f'stage{stage}', _resnet(50, THETA, stages=_only(stage)), _costs('3.86', params))
      for stage, params in ((2, '28.0'), (3, '27.2'), (4, '26.8'))),
    PaperRow('GE Table 1', 'all', _resnet(50, THETA), _costs('3.87', '31.2')),

    PaperRow('GE Table 2', 'ResNet-101', _resnet(101), _costs('7.57', '44.6'),
             differs={'Params (M)': CUT_OFF}),
    PaperRow('GE Table 2', 'ResNet-50 (baseline)', _resnet(50), _costs('3.86', '25.6')),
    PaperRow('GE Table 2', 'SE', _resnet(50, SE), _costs('3.87', '28.1')),
    PaperRow('GE Table 2', 'GE-theta-minus', _resnet(50, THETA_MINUS), _costs('3.86', '25.6')),
    PaperRow('GE Table 2', 'GE-theta', _resnet(50, THETA), _costs('3.87', '31.2')),
    PaperRow('GE Table 2', 'GE-theta-plus', _resnet(50, THETA_PLUS), _costs('3.87', '33.7')),

    PaperRow('GE Table 3', 'ResNet-152', _resnet(152), _costs('11.28', '60.3')),
    PaperRow('GE Table 3', 'ResNet-101 (baseline)', _resnet(101), _costs('7.57', '44.6'),
             differs={'Params (M)': CUT_OFF}),
    PaperRow('GE Table 3', 'SE', _resnet(101, SE), _costs('7.58', '49.4')),
    PaperRow('GE Table 3', 'GE-theta-minus', _resnet(101, THETA_MINUS), _costs('7.58', '44.6'),
             differs={'Params (M)': CUT_OFF}),
    PaperRow('GE Table 3', 'GE-theta', _resnet(101, THETA), _costs('7.59', '53.7')),
    PaperRow('GE Table 3', 'GE-theta-plus', _resnet(101, THETA_PLUS), _costs('7.59', '58.4'),
             differs={'Params (M)': CUT_OFF}),

    PaperRow('GE Table 4', 'ShuffleNet', _shufflenet(bottleneck='output'), _costs(mflops='137.5', params='1.9')),
    PaperRow('GE Table 4', 'SE', _shufflenet(SE, bottleneck='output'), _costs(mflops='139.9', params='2.5'),
             not_reproducible={'MFLOPs': ELSEWHERE.format("context_on='output'")}),
    *(PaperRow('GE Table 4', f'GE-theta (E{extent})',
               _shufflenet(dict(THETA, extent=extent), bottleneck='output', context_on='output'),
               _costs(mflops=mflops, params=params), not_reproducible={'MFLOPs': AFTER_3X3})
      for extent, mflops, params in ((2, '138.9', '2.0'), (4, '139.1', '2.1'), (8, '139.2', '2.2'))),
    PaperRow('GE Table 4', 'GE-theta', _shufflenet(THETA, bottleneck='output', context_on='output'),
             _costs(mflops='140.8', params='3.6')),
    PaperRow('GE Table 4', 'GE-theta-plus', _shufflenet(THETA_PLUS, bottleneck='output', context_on='output'),
             _costs(mflops='141.6', params='4.4'), not_reproducible={'Params (M)': NO_PLACEMENT}),
)

# Networks found by search that give a cell which the row's own network misses.
ALTERNATIVES = (
    PaperRow('GE Table 4', "SE with context_on='output'", _shufflenet(SE, bottleneck='output', context_on='output'),
             _costs(mflops='139.9', params='2.5'), differs={'Params (M)': OWN_NETWORK}),
    *(PaperRow('GE Table 4', f"GE-theta (E{extent}) with placement='3x3'",
               _with(_shufflenet(bottleneck='output'), dict(THETA, extent=extent), placement='3x3'),
               _costs(mflops=mflops, params=params), differs={'Params (M)': OWN_NETWORK})
      for extent, mflops, params in ((2, '138.9', '2.0'), (4, '139.1', '2.1'), (8, '139.2', '2.2'))),
)
