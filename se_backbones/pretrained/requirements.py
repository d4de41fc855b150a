"""What published weights need of a config and no tensor shows: where the stride is, how the stem pools, the images."""

import ast
import logging
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from mmengine.logging import MessageHub, print_log
from torch import nn

from se_backbones.pretrained.manifest import Preprocessing, Weights, find
from se_backbones.registry import MODELS, SCHEME

# Arguments of our ResNets that change the function and no key or shape.
_SILENT = ('style', 'stem_pool')
# What of a whole config says which images a backbone gets, and which weights.
_READ = ('model', 'data_preprocessor', 'load_from')


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


def warn_about_images(cfg: dict) -> None:
    """Warn where a config gives a backbone other images than its published weights were trained on; each time once.

    Args:
        cfg: A whole config of mmdet, mmpretrain or mmseg.
    """
    for text in preprocessing_warnings(cfg):
        _warn_once(text)


@cache
def _warn_once(text: str) -> None:
    print_log(text, logger='current', level=logging.WARNING)


def running_config() -> dict:
    """Return model, preprocessor and checkpoint of the config that a Runner of this process runs; empty: there is none.

    A backbone does not know the model that it is part of. The Runner keeps the text of its config for its checkpoints.
    """
    text = MessageHub.get_current_instance().get_info('cfg', '')
    try:
        statements = ast.parse(text).body if isinstance(text, str) else []
        return {node.targets[0].id: _literal(node.value) for node in statements if isinstance(node, ast.Assign)
                and isinstance(node.targets[0], ast.Name) and node.targets[0].id in _READ}
    except (SyntaxError, ValueError):
        # Not as mmengine writes configs: nothing can be said of it.
        return {}


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict' and not node.args:
        return {keyword.arg: _literal(keyword.value) for keyword in node.keywords}
    if isinstance(node, ast.Dict):
        return {_literal(key): _literal(value) for key, value in zip(node.keys, node.values)}
    if isinstance(node, (ast.List, ast.Tuple)):
        return (list if isinstance(node, ast.List) else tuple)(map(_literal, node.elts))
    return ast.literal_eval(node)


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
    checkpoints = [init.get('checkpoint') for init in (inits if isinstance(inits, (list, tuple)) else [inits])]
    for name in filter(None, map(published_name, [*checkpoints, cfg.get('load_from')])):
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
