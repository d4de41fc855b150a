"""What published weights need of a config and no tensor shows: where the stride is, how the stem pools, the images."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from se_backbones.registration import SCHEME
from se_backbones.registry import MODELS
from se_backbones.weights.manifest import Preprocessing, Weights, find

# Arguments of our ResNets that change the function and no key or shape.
_SILENT = ('style', 'stem_pool')


def published_name(checkpoint: Any) -> str | None:
    """Return the manifest's name in ``se-backbones://NAME`` or ``se-backbones://NAME/classifier``, else None."""
    if not isinstance(checkpoint, str) or not checkpoint.startswith(SCHEME):
        return None
    return checkpoint.removeprefix(SCHEME).removesuffix('/classifier')


def mismatches(module: nn.Module, weights: Weights) -> list[str]:
    """Return, in words, where a backbone differs from the one for which the weights were trained."""
    with torch.device('meta'):
        theirs = MODELS.build(dict(weights.backbone))
    pairs = [(key, getattr(module, key, None), getattr(theirs, key, None)) for key in _SILENT]
    return [f'{key}={ours!r}, but {weights.name} was trained with {key}={needed!r}'
            for key, ours, needed in pairs if ours is not None and needed is not None and ours != needed]


def preprocessing_warnings(cfg: dict) -> Iterator[str]:
    """Yield a sentence for each ``data_preprocessor`` that disagrees with the published weights of its backbone.

    Args:
        cfg: A whole config of mmdet, mmpretrain or mmseg.
    """
    model = cfg.get('model') or {}
    given = model.get('data_preprocessor') or cfg.get('data_preprocessor')
    backbone = model.get('backbone')
    if not given or not isinstance(backbone, dict):
        return
    inits = backbone.get('init_cfg') or []
    for init in inits if isinstance(inits, (list, tuple)) else [inits]:
        name = published_name(init.get('checkpoint'))
        if name is None:
            continue
        needed, configured = find(name).preprocessing, _configured(given)
        if not _same(needed, configured):
            yield (f'model.data_preprocessor gives the backbone {_words(configured)}, but {name} was trained on '
                   f'{_words(needed)}.')


def _configured(given: dict) -> Preprocessing:
    # mmdet and mmseg say bgr_to_rgb, mmpretrain to_rgb; images are read as BGR. Without a mean nothing is normalised.
    rgb = given.get('bgr_to_rgb', given.get('to_rgb', False))
    return Preprocessing('rgb' if rgb else 'bgr', tuple(given.get('mean') or (0.0,) * 3),
                         tuple(given.get('std') or (1.0,) * 3))


def _same(a: Preprocessing, b: Preprocessing) -> bool:
    return a.channel_order == b.channel_order and all(
        len(x) == len(y) and all(abs(p - q) < 0.01 for p, q in zip(x, y))
        for x, y in ((a.mean, b.mean), (a.std, b.std)))


def _words(p: Preprocessing) -> str:
    return f'{p.channel_order.upper()} with mean={list(p.mean)}, std={list(p.std)}'
