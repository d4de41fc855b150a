"""Heads and metrics against the classes of the datasets."""

import re
from collections.abc import Iterator, Mapping, Sequence

from mmengine.registry import DATASETS

from se_backbones.engine.checks.annotations import classes_of, labels_of
from se_backbones.engine.checks.config_tree import ConfigProblem, class_of, datasets_of, evaluators_of, nodes
from se_backbones.pretrained.reading import dataset_meta
from se_backbones.utils.config_types import type_name
from se_backbones.utils.validation import first_few

_HEAD = re.compile(r'(^|[._])heads?(\[\d+\])?$')
# They tell objects from background, or edges.
_CLASSLESS = re.compile(r'(rpn_head|mask_iou_head|semantic_head)(\[\d+\])?$')
_CLASSLESS_TYPES = ('STDCHead',)
# Models whose classes are matched with words, or with persons.
_OPEN_MODELS = ('language_model', 'text_encoder', 'tracker')


def check_heads(cfg: dict, loops: tuple[str, ...]) -> None:
    """Compare ``num_classes`` of every head with the classes of each dataset that runs."""
    if any(part in (cfg.get('model') or {}) for part in _OPEN_MODELS):
        return
    for key, dataset in datasets_of(cfg, loops):
        classes = classes_of(dataset, cfg)
        # A panoptic model has heads for all classes and heads for things.
        things = getattr(class_of(dataset, cfg, DATASETS), 'METAINFO', {}).get('thing_classes', classes)
        right = {len(classes), len(things)}
        wrong = [(name, counts[0]) for name, *counts in counted(cfg) if classes and not right & {*counts}]
        if wrong:
            raise ConfigProblem(
                f'{", ".join(f"{name}={count}" for name, count in wrong)}, but {key} has {len(classes)} classes '
                f'({first_few(map(repr, classes), 3)}). Set {" ".join(f"{name}={len(classes)}" for name, _ in wrong)}, '
                'or give the dataset its metainfo.classes.')


def check_one_order(cfg: dict, loops: tuple[str, ...]) -> None:
    """Stop where datasets have the same classes in another order: what one calls a cat is a dog to the other.

    Before their names are looked at, whose remedy, to write them in the order of the file, would make it so.
    """
    first: dict[tuple[str, ...], tuple[str, tuple[str, ...], str]] = {}
    for key, names, place in _labels(cfg, loops):
        other, order, its_place = first.setdefault(tuple(sorted(names)), (key, names, place))
        if (label := moved(names, order)) is not None:
            raise ConfigProblem(
                f'{key} has the classes of {other} in another order: label {label} is {names[label]!r}, and there '
                f'{order[label]!r}. Write them in one order into {place} and {its_place}, which decide it.')


def check_trained_order(cfg: dict, loops: tuple[str, ...], meta: Mapping, checkpoint: str) -> None:
    """Stop where a dataset has the classes that a network was trained with, in another order: scores would be wrong.

    Other classes are another task, and many checkpoints do not name theirs.

    Args:
        cfg: The whole config.
        loops: Which loops run.
        meta: Of the checkpoint.
        checkpoint: Its name, for the message.
    """
    trained = tuple(map(str, dataset_meta(meta).get('classes', ())))
    for key, names, place in _labels(cfg, loops):
        if (label := moved(names, trained)) is not None:
            raise ConfigProblem(
                f'{key} has the classes of {checkpoint} in another order: label {label} is {names[label]!r}, and there '
                f'{trained[label]!r}. {place} decides the order; the network was trained with '
                f'classes=({first_few(map(repr, trained), 20)}).')


def _labels(cfg: dict, loops: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield the key of each dataset whose labels are numbers of names, these names, and what decides their order."""
    if not any(part in (cfg.get('model') or {}) for part in _OPEN_MODELS):
        for key, dataset in datasets_of(cfg, loops):
            yield key, *labels_of(key, dataset, cfg)


def moved(names: Sequence[str], others: Sequence[str]) -> int | None:
    """Return the first label whose class is another one, where both have the same classes; None: no order to mend."""
    if sorted(names) != sorted(others):
        return None
    return next((label for label, pair in enumerate(zip(names, others, strict=True)) if pair[0] != pair[1]), None)


def counted(cfg: dict) -> list[tuple]:
    """Return the key of each head of the model and its number of classes; a panoptic one's also without stuff."""
    found = []
    for key, node in nodes(cfg.get('model') or {}, 'model'):
        if not _HEAD.search(key) or type_name(node) in _CLASSLESS_TYPES:
            continue
        things, stuff = node.get('num_things_classes'), node.get('num_stuff_classes')
        if things is not None and stuff is not None:
            found.append((f'{key}.num_things_classes + num_stuff_classes', things + stuff, things))
        elif isinstance(node.get('num_classes'), int) and not _CLASSLESS.search(key):
            found.append((f'{key}.num_classes', node['num_classes']))
    return found


def check_topk(cfg: dict, loops: tuple[str, ...]) -> None:
    """Stop where the best five of three classes are asked for, which fails after the first epoch."""
    head = (cfg.get('model') or {}).get('head')
    count = head.get('num_classes') if isinstance(head, dict) else None
    asked = list(evaluators_of(cfg, loops))
    if isinstance(head, dict) and head.get('cal_acc'):
        asked.append(('model.head', head))
    for key, node in asked:
        topk = node.get('topk')
        topk = (topk,) if isinstance(topk, int) else topk
        if count and topk and (key == 'model.head' or type_name(node) == 'Accuracy') and max(topk) > count:
            fitting = tuple(k for k in topk if k <= count) or (1,)
            raise ConfigProblem(f'{key}.topk={tuple(topk)} of {count} classes: set {key}.topk={fitting}.')


def check_palette(cfg: dict, loops: tuple[str, ...]) -> None:
    """Stop where a palette of the config is too short, which fails when the first image is drawn."""
    for key, dataset in datasets_of(cfg, loops):
        palette = (dataset.get('metainfo') or {}).get('palette')
        classes = classes_of(dataset, cfg) if isinstance(palette, (list, tuple)) else ()
        if palette and len(palette) < len(classes):
            raise ConfigProblem(f'{key}.metainfo.palette has {len(palette)} colours for {len(classes)} classes; give '
                                'one (R, G, B) for each.')
