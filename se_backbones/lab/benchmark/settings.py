"""The settings of a benchmark run."""

from dataclasses import dataclass

# Names of torch's: options are parsed without it.
LAYOUTS = {'nchw': 'contiguous_format', 'channels_last': 'channels_last'}
PRECISIONS = {'fp32': 'float32', 'bf16': 'bfloat16', 'fp16': 'float16'}
FOLDED = ', folded'
AS_WRITTEN = ', as written'


@dataclass(frozen=True)
class Setting:
    """What is the same for all networks of a run.

    Attributes:
        phase: ``'train'``: forward and backward; ``'infer'``: forward in eval mode.
        size, batch: Images are ``(batch, 3, size, size)``, or ``width`` wide.
        layout: Of :data:`LAYOUTS`.
        precision: Of :data:`PRECISIONS`; the halves are autocast.
        compiled: Whether ``torch.compile`` takes every network.
        frozen_norms: Norms keep their running statistics in training, as in detection.
        device: ``'cpu'`` or ``'cuda'``.
        rounds: Timed calls of each network.
        width: None: size.
    """

    phase: str = 'train'
    size: int = 224
    batch: int = 8
    layout: str = 'nchw'
    precision: str = 'fp32'
    compiled: bool = False
    frozen_norms: bool = False
    device: str = 'cpu'
    rounds: int = 7
    width: int | None = None

    def __str__(self) -> str:
        size = self.size if self.width is None else f'{self.size} x {self.width}'
        words = ['training step' if self.phase == 'train' else 'inference', f'{self.batch} x {size} px', self.layout,
                 self.precision, 'compiled' if self.compiled else 'eager']
        return ', '.join(words + ['frozen norms'] * self.frozen_norms + [self.device])
