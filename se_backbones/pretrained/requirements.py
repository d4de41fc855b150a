"""Settings and image normalisation that published weights need, compared with the config."""

import ast
import logging
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import torch
from mmengine.logging import MessageHub, print_log

from se_backbones.models.loading import differences, settings
from se_backbones.pretrained.manifest import Preprocessing, Weights
from se_backbones.pretrained.names import recognised
from se_backbones.registry import MODELS, SCOPE
from se_backbones.utils.model_configs import models_in

# What of a whole config says which images a backbone gets, and which weights.
_READ = ('model', 'data_preprocessor', 'load_from')


def settings_of(backbone: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of the backbone of a config."""
    with torch.device('meta'):
        return settings(MODELS.build(dict(backbone)))


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
    given = (cfg.get('model') or {}).get('data_preprocessor') or cfg.get('data_preprocessor')
    if not given:
        return
    given = given.get('data_preprocessor') or given  # of a semi-supervised model, that of its detector
    for *_, weights in _published(cfg):
        needed, configured = weights.preprocessing, _configured(given)
        if not _same(needed, configured):
            yield (f'model.data_preprocessor gives the backbone {_words(configured)}, but {weights.name} was trained '
                   f'on {_words(needed)}.')


def setting_problems(cfg: dict) -> Iterator[str]:
    """Yield a sentence for each setting of a config's backbone that published weights of it were not trained with.

    The module that loads finds the same, once a run has begun.

    Args:
        cfg: A whole config of mmdet, mmpretrain or mmseg.
    """
    for key, backbone, init, weights in _published(cfg):
        if str(backbone.get('type')).startswith(f'{SCOPE}.') and init.get('strict', True):
            plain = {key: value for key, value in backbone.items() if key not in ('init_cfg', 'pretrained')}
            for text in differences(settings_of(plain), settings_of(weights.backbone), weights.name):
                yield f'{key}.backbone has {text}. init_cfg=dict(..., strict=False) loads it anyway.'


def _published(cfg: dict) -> Iterator[tuple[str, dict, dict, Weights]]:
    """Yield the published weights that a config's backbones start from: key of the model, its backbone, what names
    them, and the weights."""
    for key, model in models_in(cfg):
        backbone = model['backbone']
        inits = backbone.get('init_cfg') or []
        inits = [*(inits if isinstance(inits, (list, tuple)) else [inits]),
                 *(dict(checkpoint=name) for name in (backbone.get('pretrained'), model.get('pretrained'),
                                                      cfg.get('load_from')))]
        yield from ((key, backbone, init, weights) for init in inits
                    if (weights := recognised(init.get('checkpoint'))) is not None)


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
