"""The narrow networks of the golden record: every registered backbone and the C4 head, each with six settings.

Only what users write is named here (types with their prefix, config keys), so that modules may move and the record
still says what it said.
"""

from typing import NamedTuple

# What the slots of a residual unit are, first the one that the fused tail takes.
RESIDUAL = ('standard', 'pre', 'post', 'identity', '3x3')


class Network(NamedTuple):
    """A backbone's config without ``context``, what it is fed, and where its operators may sit."""

    cfg: dict
    size: tuple[int, int]
    blocks: tuple[int, ...]  # as `context.stages` counts them
    slots: tuple[str, ...] = RESIDUAL
    channels: int = 3

    @property
    def residual(self) -> bool:
        return len(self.slots) > 1


def _network(kind: str, size: tuple[int, int], depth: tuple[int, ...], *, slots: tuple[str, ...] = RESIDUAL,
             **settings) -> Network:
    # The two Inceptions have a stage without blocks before those that `depth` counts.
    blocks = (0, *depth) if 'Inception' in kind else depth
    return Network(dict(type=f'se_backbones.{kind}', depth=depth, out_indices=tuple(range(len(blocks))),
                        input_size=size, **settings), size, blocks, slots)


# Sizes are odd on purpose: maps of 11x9 and 6x5 are no multiples of any extent, so that cells have unequal numbers of
# pixels. The last map still has several positions for three images, since a norm over few values is badly conditioned.
NETWORKS = {
    'resnet_basic': _network('ResNet', (44, 36), (2, 1), block='basic', base_channels=8),
    'resnet_bottleneck': _network('ResNet', (44, 36), (2, 1), base_channels=4),
    # As detectors have it: a frozen stem and stage, batch norms with fixed statistics.
    'resnet_caffe_frozen': _network('ResNet', (44, 36), (1, 2), base_channels=4, style='caffe', stem_pool='caffe',
                                    frozen_stages=1, norm_eval=True),
    'resnet_v1c_dilated_plugins': _network(
        'ResNetV1c', (44, 36), (1, 2), base_channels=4, strides=(1, 1), dilations=(1, 2), contract_dilation=True,
        plugins=[
            dict(cfg=dict(type='se_backbones.SqueezeExcite', ratio=2), position='after_conv1', stages=(False, True)),
            dict(cfg=dict(type='se_backbones.GatherExcite', extent=2), position='after_conv3', stages=(True, False))]),
    'resnet_v1d': _network('ResNetV1d', (44, 36), (2, 1), base_channels=4),
    'resnext': _network('ResNeXt', (44, 36), (1, 2), base_channels=4, groups=2, base_width=2),
    'senet': _network('SENet', (44, 36), (2, 1), base_channels=8, groups=2, base_width=2),
    # Stochastic depth draws from torch's generator, which is seeded before each forward pass.
    'preact_resnet_bottleneck_drop_path': _network('PreActResNet', (13, 11), (2, 1), base_channels=4,
                                                   drop_path_rate=0.5),
    'wide_resnet': _network('WideResNet', (13, 11), (1, 2), base_channels=4, widen_factor=2),
    # The first one draws its coefficients from torch's generator, seeded; the second one has halves.
    'shake_shake_basic': _network('ShakeShake', (13, 11), (2, 1), block='basic', base_width=8),
    'shake_shake_even_bottleneck': _network('ShakeShake', (13, 11), (1, 2), base_width=2, groups=2, base_channels=2,
                                            forward_shake='even', backward_shake='even'),
    'inception_resnet_v2': _network('InceptionResNetV2', (107, 91), (1, 1, 2), slots=RESIDUAL[:4], widen_factor=1 / 8),
    'shufflenet_v1': _network('ShuffleNetV1', (88, 72), (2, 1, 1), widen_factor=1 / 4, groups=2),
    'bn_inception': _network('BNInception', (88, 72), (1, 2, 1), slots=RESIDUAL[:1], widen_factor=1 / 16),
    # With its classifier, whose dropout is switched off: torch's stream for it depends on how torch was built.
    'vgg': Network(dict(type='se_backbones.VGG', depth=(1, 2, 1), base_channels=4, num_classes=5, fc_channels=6,
                        out_indices=(0, 1, 2, 3), input_size=(22, 18)), (22, 18), (1, 2, 1), RESIDUAL[:1]),
    'mobilenet_v1': _network('MobileNetV1', (88, 72), (1, 1, 1, 1, 1), slots=RESIDUAL[:1], widen_factor=1 / 8),
    # The C4 head takes maps, and returns one map.
    'res_layer': Network(dict(type='se_backbones.ResLayer', depth=(1, 2), base_channels=4, stage=1, style='caffe',
                              input_size=(11, 9)), (11, 9), (2,), RESIDUAL, channels=16),
}

# Seven kinds for five slots, so that a slot meets another kind in the next network that uses it.
_SE_KINDS = (dict(squeeze='max', gate='tanh', ratio=1), dict(squeeze='none', ratio=2),
             dict(gate='relu', ratio=1),
             dict(squeeze='none', gate='tanh', bias=False, ratio=1), dict(squeeze='max', ratio=2),
             dict(gate='tanh', bias=False, ratio=1), dict(squeeze='max', gate='relu', ratio=2))
_EXTENTS = (4, 2, 'global', 8)


def contexts(name: str) -> dict[str, dict | list | None]:
    """Return the six settings of ``context`` of a network by name.

    ``standard`` in every block for SE, theta and theta-plus, since that is where the fused tail works. The other two
    go through what else there is: all slots, blocks chosen one by one, two operators in one network. Each network
    continues where the one before it stopped, so that together they have SE and GE in every slot.
    """
    network, turn = NETWORKS[name], list(NETWORKS).index(name)

    def pick(choices, offset=0):
        return choices[(turn + offset) % len(choices)]

    # One block after the other, as on a chess board, and the rest.
    chosen = tuple(tuple((stage + block) % 2 == 0 for block in range(count))
                   for stage, count in enumerate(network.blocks))
    rest = tuple(tuple(not block for block in stage) for stage in chosen)
    theta_minus = [dict(op=dict(type='GatherExcite', extent=pick((2, 'global', 4))))]
    if network.residual:
        theta_minus.append(dict(op=dict(type='GatherExcite', variant='theta', extent=2),
                                placement=pick(network.slots[1:]), stages=chosen))
    return {
        'none': None,
        'se': dict(op=dict(type='SqueezeExcite', ratio=2)),
        'se_variant': dict(op=dict(type='SqueezeExcite', **pick(_SE_KINDS)), placement=pick(network.slots),
                           stages=rest),
        'theta_minus': theta_minus,
        'theta': dict(op=dict(type='GatherExcite', variant='theta', extent=pick(_EXTENTS))),
        'theta_plus': dict(op=dict(type='GatherExcite', variant='theta_plus', extent=pick(_EXTENTS, 1), ratio=2)),
    }
