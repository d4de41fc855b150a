"""Lists of benchmark runs, the most important first."""

from dataclasses import dataclass, replace

from se_backbones.lab.benchmark.settings import AS_WRITTEN, Setting

PEERS = ('mmpretrain ResNet', 'mmpretrain SEResNet', 'timm seresnet50')
SQUEEZE = ('ours plain', 'ours SE', f'ours SE{AS_WRITTEN}')
LOCAL = ('ours GE theta-minus E8', 'ours GE theta E8', f'ours GE theta E8{AS_WRITTEN}')
# Global learned gathers own kernels of one map size, and are not for detection.
ANY_SIZE = (*PEERS, *SQUEEZE, 'ours GE theta-minus', *LOCAL)
ALL = (*ANY_SIZE, 'ours GE theta', 'ours GE theta-plus')


@dataclass(frozen=True)
class Run:
    """Networks against each other, or with no names the single functions.

    Attributes:
        setting: Of :func:`se_backbones.lab.benchmark.runs.measure`; of it ``batch``, ``layout`` and ``precision`` for
            functions.
        names: Of the networks.
        least_seconds: Time that must be left for it to begin.
    """

    setting: Setting
    names: tuple[str, ...] = ()
    least_seconds: int = 20


_CLASSIFIER = Setting('train', 224, 64, 'channels_last', 'bf16', device='cuda', rounds=12)
_DETECTOR = Setting('train', 800, 2, 'nchw', 'fp32', frozen_norms=True, device='cuda', rounds=10, width=1344)
PRESETS = {
    'gpu': (
        Run(_CLASSIFIER, ALL),
        Run(_DETECTOR, ANY_SIZE),
        Run(replace(_CLASSIFIER, rounds=20)),
        Run(replace(_CLASSIFIER, layout='nchw', precision='fp32', rounds=20)),
        Run(replace(_CLASSIFIER, batch=256, rounds=8), ALL),
        Run(replace(_CLASSIFIER, phase='infer', batch=1, rounds=40), ALL),
        Run(replace(_DETECTOR, phase='infer', batch=1, frozen_norms=False, rounds=30), ANY_SIZE),
        Run(replace(_CLASSIFIER, batch=128), (*PEERS, *SQUEEZE, *LOCAL)),
        # Compiled networks take the plain operations: half a minute each before the first step.
        Run(replace(_CLASSIFIER, compiled=True), ('mmpretrain ResNet', 'mmpretrain SEResNet', 'ours SE',
                                                  'ours GE theta E8'), least_seconds=150),
    ),
}


def quick(runs: tuple[Run, ...], device: str) -> list[Run]:
    """Return the same runs, small enough to be tried anywhere in a minute or two; nothing is compiled.

    Their figures say nothing. Functions are in float32, since on a CPU no code is for half precision.
    """
    tried = []
    for run in runs:
        setting = replace(run.setting, size=32, width=run.setting.width and 64, batch=2, rounds=1, device=device)
        if run.names:
            run = replace(run, names=('mmpretrain ResNet', 'ours SE', f'ours GE theta E8{AS_WRITTEN}'))
        else:
            setting = replace(setting, precision='fp32')
        if not setting.compiled:
            tried.append(replace(run, setting=setting))
    return tried
