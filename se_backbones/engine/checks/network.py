"""Checks of the model, built on the meta device: its arguments, and whether backbone, neck and head fit."""

import copy
import inspect
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, OPTIMIZERS
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from se_backbones.engine.checks.config_tree import (
    ConfigProblem,
    class_of,
    config_scope,
    datasets_of,
    model_of,
)
from se_backbones.engine.checks.explanations import explained
from se_backbones.engine.distributed import has_accelerator
from se_backbones.models.backbones.base import Backbone
from se_backbones.models.loading import split_loaders
from se_backbones.models.operators.gather import DepthwiseGather, FullMapGather
from se_backbones.ops import residual_tail
from se_backbones.utils.config_types import host_of, type_name
from se_backbones.utils.model_configs import models_in
from se_backbones.utils.signatures import arguments

# Of so few the statistics of a batch norm say little.
FEW_IMAGES = 2


def built(cfg: dict) -> nn.Module | None:
    """Return the model of a config on the meta device, as its Runner will build it; None: the config has none.

    Raises:
        ConfigProblem: A constructor refuses its arguments, or a type is not known.
    """
    if not cfg.get('model'):
        return None
    model = copy.deepcopy(model_of(cfg))
    with config_scope(cfg), _in_silence():
        try:
            return without_memory(model)
        except Exception as error:
            if 'process group' in str(error) and cfg.get('launcher', 'none') != 'none':
                return None  # mmcv's SyncBN asks for one, which the Runner makes
            raise ConfigProblem(f'model: {explained(error)}') from error


def without_memory(model: dict) -> nn.Module:
    """Build a model on the meta device; in memory where its constructor computes, for which it needs numbers."""
    try:
        with torch.device('meta'):
            return MODELS.build(copy.deepcopy(model))
    except Exception:
        return MODELS.build(model)


@contextmanager
def _in_silence() -> Iterator[None]:
    """What constructors say is said when the Runner calls them."""
    before = logging.root.manager.disable
    try:
        logging.disable(logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(before)
        # mmengine's loggers remember for each level whether it is enabled, and logging does not know them.
        logger = MMLogger.get_current_instance()
        logger.setLevel(logger.level)
        residual_tail._announce.cache_clear()


def unsteady_norms(cfg: dict, model: nn.Module) -> Iterator[str]:
    """Yield a warning where batch norms of learned gathers would take their statistics from one or two images."""
    images = (cfg.get('train_dataloader') or {}).get('batch_size') or 0
    synchronised = nn.SyncBatchNorm if cfg.get('launcher', 'none') != 'none' else ()
    # Those of a C4 head, which is no part of a backbone, see hundreds of RoIs.
    for key, _, part in _parts(cfg, model) if 0 < images <= FEW_IMAGES else ():
        gathers = [name for name, norms in _gather_norms(part.backbone.train())
                   if any(norm.training and not isinstance(norm, synchronised) for norm in norms)]
        if gathers:
            yield (f'{key}.backbone: the batch norms of {len(gathers)} learned gathers ({gathers[0]}, ...) will take '
                   f'their statistics from train_dataloader.batch_size={images} images. Give context.op '
                   "norm_cfg=dict(type='GN', num_groups=32), which needs none, or, on several GPUs, "
                   "dict(type='SyncBN').")


def _gather_norms(model: nn.Module) -> Iterator[tuple[str, list[nn.Module]]]:
    """Yield the batch norms of each learned gather that has some, by its name."""
    for name, gather in model.named_modules():
        if isinstance(gather, (DepthwiseGather, FullMapGather)):
            if norms := [norm for norm in gather.children() if isinstance(norm, _BatchNorm)]:
                yield name, norms


def check_mean_teacher(cfg: dict, model: nn.Module) -> None:
    """Stop where a mean teacher would not learn the running statistics of gathers.

    Unlike EMAHook's, the teacher of mmdet's hook keeps those that it was built with: 0 and 1.
    """
    for number, hook in enumerate(cfg.get('custom_hooks') or ()):
        if type_name(hook) == 'MeanTeacherHook' and hook.get('skip_buffer', True) and \
                next(_gather_norms(model), None):
            raise ConfigProblem(
                f'custom_hooks[{number}] ({type_name(hook)}) does not average running statistics, and the batch norms '
                'of the gathers of GatherExcite (theta, theta_plus) would stay at 0 and 1 in the teacher. Set '
                f"custom_hooks[{number}].skip_buffer=False, or give context.op norm_cfg=dict(type='GN', "
                'num_groups=32).')


def norms_that_mmdet_freezes(cfg: dict, model: nn.Module) -> Iterator[str]:
    """Yield a warning where a config that mmdet's default completes leaves ``norm_eval`` out: theirs is True."""
    for key, node, part in _parts(cfg, model) if host_of(cfg) == 'mmdet' else ():
        backbone = part.backbone
        if not isinstance(backbone, Backbone) or 'norm_eval' in node['backbone'] or \
                not split_loaders(backbone.init_cfg)[0]:
            continue
        theirs = MODELS.get(f'mmdet.{type(backbone).__name__}')
        trains = any(isinstance(norm, _BatchNorm) and norm.training for norm in backbone.train().modules())
        default = theirs and inspect.signature(theirs).parameters.get('norm_eval')
        if trains and default and default.default is True:
            yield (f"{key}.backbone: norm_eval is not given. mmdet's own backbone would keep the running statistics of "
                   'its weights (norm_eval=True), which fits small batches; this one trains them on '
                   '(norm_eval=False). Give one of both.')


def check_synchronised_norms(cfg: dict, model: nn.Module) -> None:
    """Stop where norms would take statistics over processes that have no GPU: torch has no SyncBatchNorm for them."""
    name = next((name for name, norm in model.train().named_modules()
                 if isinstance(norm, nn.SyncBatchNorm) and norm.training), None)
    if name and cfg.get('launcher', 'none') != 'none' and not has_accelerator():
        raise ConfigProblem(f"model.{name} is a SyncBN, which torch trains in several processes on GPUs only. Give its "
                            "norm_cfg the type 'GN' or 'BN', or train in one process.")


def check_optimizer(cfg: dict) -> None:
    """Stop where the optimizer does not take what the config gives it, which is often left over from a base config."""
    optimizer = (cfg.get('optim_wrapper') or {}).get('optimizer')
    if not isinstance(optimizer, dict) or 'type' not in optimizer:
        return
    cls = class_of(optimizer, cfg, OPTIMIZERS)
    if not isinstance(cls, type) or not issubclass(cls, (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW)):
        return
    known = [name for name in arguments(cls) if name != 'params']
    unknown = [name for name in optimizer if name not in (*known, 'type', '_scope_')]
    if unknown:
        raise ConfigProblem(explained(ValueError(f'optim_wrapper.optimizer ({type_name(optimizer)}) has no option '
                                                 f'{unknown[0]!r}; it takes {", ".join(known)}.')))


def check_layer_decay(cfg: dict, model: nn.Module) -> None:
    """Stop where the constructor of an optimizer does not know the backbone and would say so without a word."""
    wrapper, parts = cfg.get('optim_wrapper') or {}, _parts(cfg, model)
    if wrapper.get('constructor') is None or not parts:
        return
    try:
        with config_scope(cfg), _in_silence():
            build_optim_wrapper(model, copy.deepcopy(wrapper))
    except NotImplementedError as error:
        key, _, part = parts[-1]
        name = type(part.backbone).__name__
        raise ConfigProblem(
            f'optim_wrapper.constructor={wrapper["constructor"]!r} cannot count the layers of {key}.backbone ({name})'
            f"{f': {error}' if str(error) else ''}. Leave constructor and paramwise_cfg out, or slow the backbone as a "
            "whole: paramwise_cfg=dict(custom_keys={'backbone': dict(lr_mult=0.1), '.context.': dict(lr_mult=1)})."
        ) from None
    except Exception:  # what else is wrong the Runner tells, with its own words
        return


# Necks that assert one in_channels for each map; others may take some of them.
_TAKE_ALL = ('FPN', 'PAFPN', 'NASFPN', 'FPN_CARAFE', 'NASFCOS_FPN', 'ChannelMapper', 'YOLOXPAFPN', 'CSPNeXtPAFPN')


def check_channels(cfg: dict, model: nn.Module) -> None:
    """Compare ``in_channels`` of what follows the backbone with what it gives, where it is one of ours."""
    for key, node, part in _parts(cfg, model):
        given = [feature.channels for feature in getattr(part.backbone, 'feature_info', None) or ()]
        for name, follower, right in _followers(node, given) if given else ():
            if right != follower['in_channels']:
                # Our default is the last stage, that of mmdet's backbones all of them.
                advice = f'Set {key}.backbone.out_indices, such as (0, 1, 2, 3)' \
                    if 'out_indices' not in node['backbone'] and isinstance(follower['in_channels'], (list, tuple)) \
                    else f'Set {key}.{name}.in_channels={_short(right)}'
                raise ConfigProblem(f'{key}.{name}.in_channels={_short(follower["in_channels"])}, but {key}.backbone '
                                    f'gives {_short(given)} (out_indices={_short(part.backbone.out_indices)}). '
                                    f'{advice}.')


def _followers(node: dict, given: list[int]) -> Iterator[tuple[str, dict, int | list[int]]]:
    """Yield the neck and the heads that take the backbone's maps, by name, with the ``in_channels`` that fit."""
    neck = node.get('neck')
    first = neck[0] if isinstance(neck, (list, tuple)) and neck else neck
    if isinstance(first, dict) and first.get('in_channels') is not None:
        wanted = first['in_channels']
        if isinstance(wanted, (list, tuple)):
            fits = list(wanted) == given or len(wanted) != len(given) and type_name(first) not in _TAKE_ALL
            right = given
        else:
            fits, right = len(given) > 1 or wanted == given[0], given[-1]
        yield f'neck{"[0]" if isinstance(neck, (list, tuple)) else ""}', first, wanted if fits else right
    head = node.get('head')
    if isinstance(head, dict) and isinstance(head.get('in_channels'), int) and \
            (neck is None or isinstance(neck, dict) and type_name(neck) == 'GlobalAveragePooling'):
        yield 'head', head, given[-1]
    for name in ('decode_head', 'auxiliary_head') if neck is None else ():  # mmseg's
        listed = isinstance(node.get(name), (list, tuple))
        for number, head in enumerate(node[name] if listed else [node.get(name)]):
            index, wanted = (head or {}).get('in_index'), (head or {}).get('in_channels')
            key = f'{name}[{number}]' if listed else name
            if isinstance(index, int) and isinstance(wanted, int) and -len(given) <= index < len(given):
                yield key, head, given[index]
            elif isinstance(index, (list, tuple)) and isinstance(wanted, (list, tuple)) and max(index) < len(given):
                right = [given[place] for place in index]
                yield key, head, wanted if list(wanted) == right else right


def check_map_sizes(cfg: dict, model: nn.Module, loops: tuple[str, ...]) -> None:
    """Stop where a global gather with parameters will meet images of another size than its kernel's."""
    for key, _, part in _parts(cfg, model):
        size = getattr(part.backbone, 'input_size', None)
        if size is None or not any(isinstance(module, FullMapGather) for module in part.backbone.modules()):
            continue
        for dataset_key, dataset in datasets_of(cfg, loops):
            made = _size_from(dataset.get('pipeline') or ())
            if made is not None and not made.allows(size):
                raise ConfigProblem(
                    f'{key}.backbone.context has operators with a kernel for images of input_size={_by(size)}, but '
                    f'{dataset_key}.pipeline makes {made}. Set {key}.backbone.input_size to the size of all images, or '
                    'extent=8, which takes any.')


class _Size:
    """What a pipeline's last step about sizes makes."""

    def __init__(self, pair: tuple[int, int], keep_ratio: bool):
        self.pair, self.keep_ratio = pair, keep_ratio

    def allows(self, size: tuple[int, int]) -> bool:
        # Hosts disagree whether height or width comes first.
        ours, theirs = sorted(size), sorted(self.pair)
        if self.keep_ratio:  # one of the edges is that of the scale
            return ours[0] == theirs[0] or ours[1] == theirs[1]
        return ours == theirs

    def __str__(self) -> str:
        return _by(self.pair) + (' or smaller, each in its own ratio' if self.keep_ratio else '')


def _size_from(pipeline: Any) -> _Size | None:
    """Return the size of the images that a pipeline makes, or None where it cannot be told."""
    size = None
    for step in pipeline:
        name = type_name(step) if isinstance(step, dict) else ''
        value = step.get('crop_size', step.get('scale', step.get('size'))) if isinstance(step, dict) else None
        pair = (value, value) if isinstance(value, int) else value
        if name in ('Resize', 'CenterCrop', 'RandomCrop', 'RandomResizedCrop', 'Pad', 'EfficientNetCenterCrop',
                    'EfficientNetRandomCrop') and isinstance(pair, (list, tuple)) and len(pair) == 2 and \
                all(isinstance(number, int) and number > 0 for number in pair):
            size = _Size(tuple(pair), bool(step.get('keep_ratio')) and name == 'Resize')
        elif any(word in name for word in ('Resize', 'Crop', 'Pad', 'Mosaic', 'Affine', 'Expand', 'TestTimeAug')):
            size = None
    return size


def _parts(cfg: dict, model: nn.Module) -> list[tuple[str, dict, nn.Module]]:
    """Return the model, and the detector inside of a semi-supervised or test-time one, with their configs."""
    # A semi-supervised model calls its detector the student.
    parts = [(key, node, model if key == 'model' else getattr(model, key.split('.')[1], None) or
              getattr(model, 'student', None)) for key, node in models_in(cfg)]
    return [(key, node, part) for key, node, part in parts if hasattr(part, 'backbone')]


def _by(pair: tuple[int, int]) -> str:
    return f'{pair[0]}x{pair[1]}'


def _short(value: Any) -> str:
    return str(list(value) if isinstance(value, tuple) else value).replace(' ', '')
