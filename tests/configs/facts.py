"""What a config says of its network, operators, weights, images, data, head and recipe, in the words of ``facts.toml``.

Operators, the place of strides and the stem's pool are looked up in what is built; the rest is what the config says
after inheritance. Keys of nested dicts are joined by dots; scopes and None say nothing.
"""

import itertools
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import nn

import se_backbones
from se_backbones.models.backbones import ResNet
from se_backbones.models.backbones.resnet import Bottleneck
from se_backbones.models.operators import ContextOperator

TABLE = tomllib.loads(Path(__file__).with_suffix('.toml').read_text())
PARTS = ('network', 'head', 'images', 'data', 'recipe')
SHORT = {'SqueezeExcite': 'SE', 'GatherExcite': 'GE'}
# Steps of a pipeline that read and pack.
ORDINARY = ('LoadImageFromFile', 'LoadAnnotations', 'PackInputs', 'PackDetInputs', 'PackSegInputs')


@cache
def rows() -> dict[str, dict]:
    """Return the row of each config: what its group says and what it says itself."""
    found = {}
    for group in TABLE['group']:
        shared = {key: value for key, value in group.items() if key != 'configs'}
        for name, own in group['configs'].items():
            if name in found:
                raise ValueError(f'facts.toml has two rows for {name}.')
            found[name] = {**shared, **own}
    return found


def differences(name: str, cfg: dict, built: nn.Module) -> list[str]:
    """Return what a config and its model have otherwise than its row says, a line for each value."""
    found, stated = facts(cfg, built), expected(rows()[name])
    lines = []
    for part in (*PARTS, 'operators', 'weights'):
        if part == 'head' and part not in stated:
            continue  # our own small networks: no paper says anything about it
        ours, theirs = (each[part] if part in PARTS else {'': each[part]} for each in (found, stated))
        lines += [f'{part} {key}: {ours.get(key)!r}, not {theirs.get(key)!r}' for key in sorted({*ours, *theirs})
                  if key not in ours or key not in theirs or ours[key] != theirs[key]]
    return lines


def expected(row: dict) -> dict[str, Any]:
    """Return the facts that a row states: of the config that it is ``like``, with what it names in their place."""
    found = dict(_of_host(row['like'])) if 'like' in row else {}
    for part in PARTS:
        if part in row:
            found[part] = {**found.get(part, {}), **_named(part, row[part])}
    weights = row.get('weights', found.get('weights', ''))
    named = TABLE['weights'].get(weights, {'is': weights})
    return {**found, 'operators': row.get('operators', ''), 'weights': named['is']}


def _named(part: str, value: str | dict) -> dict[str, Any]:
    entry = TABLE[part][value] if isinstance(value, str) else value
    own = flat({key: each for key, each in entry.items() if key not in ('source', 'like')})
    if 'like' not in entry:
        return own
    return {**(_of_host(entry['like'])[part] if '::' in entry['like'] else _named(part, entry['like'])), **own}


@cache
def _of_host(name: str) -> dict[str, Any]:
    return stated(Config.fromfile(se_backbones.config_path(name)).to_dict())


def facts(cfg: dict, built: nn.Module) -> dict[str, Any]:
    """Return the facts of a resolved config and of the model that is built from it."""
    found = stated(cfg)
    found['network'].update(_strides_and_pool(built.backbone))
    found['operators'] = operators(plain(cfg['model']), built)
    return found


def stated(cfg: dict) -> dict[str, Any]:
    """Return the facts that a config states, or those of a file that holds only a model."""
    cfg = plain(cfg)
    model = dict(cfg['model'])
    backbone = model.pop('backbone')
    images = model.pop('data_preprocessor', None) or cfg.get('data_preprocessor', {})
    shared_head = model.get('roi_head', {}).get('shared_head', {})
    found = dict(
        network=flat({key: value for key, value in inner(backbone).items() if key not in ('context', 'init_cfg')}),
        head={key: value for key, value in flat(model).items()
              if not key.startswith(('roi_head.shared_head.context', 'roi_head.shared_head.init_cfg'))},
        images=flat({key: value for key, value in images.items() if key != 'type'}),
        weights=', '.join(dict.fromkeys([*_weights(inner(backbone)), *_weights(shared_head),
                                         *([f'load_from {cfg["load_from"]}'] if cfg.get('load_from') else [])])))
    if 'train_dataloader' in cfg:
        found.update(data=_data(cfg), recipe=_recipe(cfg))
    return found


def plain(node: Any) -> Any:
    """Return a config without scopes and None; tuples are lists."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items() if key != '_scope_' and value is not None}
    if isinstance(node, (list, tuple)):
        return [plain(each) for each in node]
    return node.removeprefix('se_backbones.') if isinstance(node, str) else node


def flat(node: dict, key: str = '') -> dict[str, Any]:
    """Return ``{'a.b': value}`` of nested dicts."""
    found = {}
    for name, value in node.items():
        path = f'{key}.{name}' if key else name
        found.update(flat(value, path) if isinstance(value, dict) else {path: value})
    return found


def words(cfg: dict) -> str:
    """Return ``dict(type='SGD', lr=0.1)`` as ``'SGD lr=0.1'``."""
    return ' '.join([cfg['type'], *(f'{key}={value}' for key, value in sorted(cfg.items()) if key != 'type')])


def inner(backbone: dict) -> dict:
    """Return the config of a backbone, also of one that operators are put into from outside."""
    return backbone['backbone'] if backbone['type'] == 'WithContext' else backbone


def _weights(part: dict) -> Iterator[str]:
    init = part.get('init_cfg', [])
    yield from map(words, init if isinstance(init, list) else [init])


def _data(cfg: dict) -> dict[str, Any]:
    found = {}
    for loop in ('train', 'test', 'val'):
        loader = cfg[f'{loop}_dataloader']
        wrappers, dataset = [], loader['dataset']
        while 'dataset' in dataset:
            wrappers.append(dataset)
            dataset = dataset['dataset']
        parts = dataset.get('datasets', [dataset])
        found[loop] = [words({key: each[key] for key in ('type', 'data_root', 'split', 'ann_file', 'data_prefix')
                              if key in each}) for each in parts]
        pipelines = []
        for each in (*parts, *wrappers):
            steps = [words(step) for step in each.get('pipeline', []) if step['type'] not in ORDINARY]
            pipelines += [steps] * (steps not in pipelines)
        found[f'{loop}_pipeline'] = list(itertools.chain(*pipelines))
        sampler = words(loader['sampler'])
        if sampler != f'DefaultSampler shuffle={loop == "train"}':
            found[f'{loop}_sampler'] = sampler
    # Validation is said where it is not as the test.
    return {key: value for key, value in found.items()
            if not key.startswith('val') or value != found.get(key.replace('val', 'test'))}


def _recipe(cfg: dict) -> dict[str, Any]:
    wrapper, loop, images = cfg['optim_wrapper'], cfg['train_cfg'], cfg['train_dataloader']['batch_size']
    schedule = cfg['param_scheduler'] if isinstance(cfg['param_scheduler'], list) else [cfg['param_scheduler']]
    length = f'{loop["max_epochs"]} epochs' if 'max_epochs' in loop else f'{loop["max_iters"]} iterations'
    step = cfg.get('auto_scale_lr', {}).get('base_batch_size', images)
    return dict(optimizer=words(wrapper['optimizer']), schedule=[words(each) for each in schedule], length=length,
                batch=f'{step} ({images} on a GPU)',
                **flat({key: value for key, value in wrapper.items()
                        if key != 'optimizer' and value != 'OptimWrapper'}))


def _strides_and_pool(backbone: nn.Module) -> dict[str, str]:
    """Return where the units of a ResNet have their stride, and the pool of its stem, as its arguments call them."""
    if not isinstance(backbone, ResNet):
        return {}
    unit, pool = backbone.layer2[0], backbone.maxpool
    found = dict(stem_pool='avg' if isinstance(pool, nn.AvgPool2d) else 'caffe' if pool.ceil_mode else 'torch')
    if isinstance(unit, Bottleneck):
        found['style'] = 'aa' if unit.pool is not None else 'caffe' if unit.conv1.stride == (2, 2) else 'pytorch'
    return found


def operators(model: dict, built: nn.Module) -> str:
    """Return kind, settings, place and number in each stage of the operators, those of a shared head last."""
    found = list(_operators(model['backbone'], built.backbone))
    if 'shared_head' in model.get('roi_head', {}):
        found += [f'shared head {each}' for each in _operators(model['roi_head']['shared_head'],
                                                               built.roi_head.shared_head)]
    return '; '.join(found)


def _operators(cfg: dict, module: nn.Module) -> Iterator[str]:
    context = cfg.get('context', {})
    options = {**context.get('op', {}), **context}
    settings = [f'{key}={value}' for key, value in options.items()
                if key not in ('type', 'op', 'placement', 'stages', 'after')]
    stages = list(_stages(module))
    numbers = Counter((type(each).__name__, _place(name, context), stage) for stage, parts in enumerate(stages)
                      for part in parts for name, each in part.named_modules() if isinstance(each, ContextOperator))
    for kind, place in dict.fromkeys(key[:2] for key in numbers):
        counts = '+'.join(str(numbers[kind, place, stage]) for stage in range(len(stages)))
        yield ' '.join([SHORT[kind], *settings, place, counts])


def _place(name: str, context: dict) -> str:
    return f'after {context["after"]}' if 'after' in context else name.rpartition('.')[2]


def _stages(module: nn.Module) -> Iterator[list[nn.Module]]:
    if not hasattr(module, 'stage_modules'):
        yield [module]
        return
    for stage in itertools.count():
        try:
            yield module.stage_modules(stage)
        except IndexError:
            return
