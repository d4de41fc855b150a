"""Verify a downloaded file: readable, its hash, its network, complete or not."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from se_backbones.models.loading import MisfitError, coverage
from se_backbones.pretrained import mindspore
from se_backbones.pretrained.errors import CheckpointError, WeightsError
from se_backbones.pretrained.layouts import CAFFE, LAYOUTS
from se_backbones.pretrained.manifest import Weights, manifest
from se_backbones.pretrained.reading import read_checkpoint
from se_backbones.pretrained.source import of_caffe
from se_backbones.registry import MODELS
from se_backbones.utils.validation import first_few


@dataclass(frozen=True)
class Verification:
    """What was found out about a file.

    Attributes:
        path: The file.
        sha256: Its digest.
        tensors: Number of tensors.
        weights: The rows of the manifest that have its name or hash.
        problems: Why it is not what the manifest says; empty: it is.
        not_finite: Tensors that hold NaN or infinity.
    """

    path: Path
    sha256: str
    tensors: int
    weights: tuple[Weights, ...]
    problems: tuple[str, ...]
    not_finite: tuple[str, ...]

    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield name and text of each line of a report."""
        yield 'sha256', self.sha256
        yield 'tensors', str(self.tensors)
        yield 'read', 'without running code'
        yield 'values', f'not finite: {first_few(self.not_finite)}' if self.not_finite else 'all finite'
        if not self.weights:
            yield 'published', 'no published weights have this file name or hash'
        for weights in self.weights:
            yield 'published', f'{weights.name}: {"; ".join(self.problems) or "hash, tensors and shapes agree"}'


def verify(path: Path) -> Verification:
    """Look into a checkpoint, and compare it with the row of the manifest that has its name or hash.

    Raises:
        WeightsError: It cannot be read.
    """
    if not path.is_file():
        raise CheckpointError(f'There is no file {path}.')
    with path.open('rb') as file:
        digest = hashlib.file_digest(file, 'sha256').hexdigest()
    rows = [weights for weights in manifest().values()
            if weights.file == path.name or (weights.sha256 and digest.startswith(weights.sha256))]
    if rows and rows[0].layout == mindspore.LAYOUT:
        state = mindspore.to_ours(mindspore.read_ckpt(path))
    else:
        state = of_caffe(path) if path.suffix == '.caffemodel' else read_checkpoint(path).state
    problems = []
    for weights in rows[:1]:
        if weights.sha256 and not digest.startswith(weights.sha256):
            problems.append(f'the hash should start with {weights.sha256}')
        problems += _misfits(state, weights)
    broken = [key for key, value in state.items() if value.is_floating_point() and not value.isfinite().all()]
    return Verification(path, digest, len(state), tuple(rows), tuple(problems), tuple(broken))


def _misfits(state: dict[str, Tensor], weights: Weights) -> list[str]:
    try:
        if weights.layout not in (CAFFE, mindspore.LAYOUT):
            state = LAYOUTS[weights.layout].to_ours(state).state
    except WeightsError as error:
        return [str(error)]
    with torch.device('meta'):
        backbone = MODELS.build(dict(weights.backbone))
    try:
        found = coverage(backbone, state)
    except MisfitError as error:
        return [str(error)]
    absent = [f'nothing of {len(found.new)} operators is there'] if found.new else []
    return absent + ([] if found.complete else [found.problem()])
