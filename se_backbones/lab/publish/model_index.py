"""``model-index.yml`` and its metafiles (OpenMMLab's schema), made from the configs, the manifest and the counter.

mmpretrain's ``list_models`` and ``get_model`` and ``mim search`` read them.
"""

from pathlib import Path
from typing import Any

import yaml
from mmengine.config import Config

from se_backbones.lab.analysis.complexity import build, complexity
from se_backbones.models.operators import GatherExcite, SqueezeExcite
from se_backbones.pretrained.manifest import find
from se_backbones.pretrained.names import published_name
from se_backbones.utils.dataset_configs import first_dataset
from se_backbones.version import __version__

HEADER = '# Made by tools/misc/make_model_index.py; a test compares it with the configs.\n'
_PAPERS = {
    'Squeeze-and-Excitation': dict(URL='https://arxiv.org/abs/1709.01507', Title='Squeeze-and-Excitation Networks'),
    'Gather-Excite': dict(URL='https://arxiv.org/abs/1810.12348',
                          Title='Gather-Excite: Exploiting Feature Context in Convolutional Neural Networks'),
}
PLAIN = 'Plain baselines'
_TASKS = {'mmpretrain': 'Image Classification', 'mmdet': 'Object Detection', 'mmseg': 'Semantic Segmentation'}
# Small configs are lessons and evidence, not models that anyone looks for.
_LEFT_OUT = {'_base_', 'digits', 'examples', 'fashion_mnist', 'trees'}


def metafiles(configs: Path) -> dict[str, str]:
    """Return the text of ``model-index.yml`` and of each metafile, by path relative to the repository's root.

    Args:
        configs: The folder of the shipped configs.
    """
    root, texts = configs.parent, {}
    for folder in sorted({path.parent for path in configs.rglob('*.py')}):
        leaves = sorted(folder.glob('*.py'))
        if not leaves or _LEFT_OUT & set(folder.relative_to(configs).parts):
            continue
        models = [entry(leaf, root) for leaf in leaves]
        name = (folder / 'metafile.yml').relative_to(root).as_posix()
        texts[name] = HEADER + _yaml(dict(Collections=_collections(models, folder, root), Models=models))
    texts['model-index.yml'] = HEADER + _yaml(dict(Import=list(texts)))
    return texts


def entry(file: Path, root: Path) -> dict[str, Any]:
    """Return the ``Models`` entry of one config."""
    cfg = Config.fromfile(file)
    model = build(cfg)
    kinds = {type(module) for module in model.modules()}
    collection = ('Gather-Excite' if GatherExcite in kinds else
                  'Squeeze-and-Excitation' if SqueezeExcite in kinds else PLAIN)
    metadata = {'Parameters': sum(parameter.numel() for parameter in model.parameters())}
    if cfg.default_scope == 'mmpretrain':  # the work of a detector depends on what an image holds
        metadata = {'FLOPs': complexity(model, _image_size(cfg)).total.multiply_adds, **metadata}
    # The hosts have baselines of the same names, and mmpretrain's hub takes each name once.
    name = f'baseline-{file.stem}' if collection == PLAIN else file.stem
    result = {'Name': name, 'In Collection': collection, 'Metadata': metadata,
              'Config': file.relative_to(root).as_posix()}
    checkpoint = cfg.get('load_from') or ''
    if published_name(checkpoint):
        weights = find(published_name(checkpoint))
        metrics = {'Top 1 Accuracy': weights.top1, 'Top 5 Accuracy': weights.top5}
        result |= {
            'Results': [{'Dataset': 'ImageNet-1k', 'Task': _TASKS[cfg.default_scope], 'Metrics': metrics}],
            'Weights': checkpoint,
            'Converted From': {'Weights': weights.urls[0] if weights.urls else weights.page, 'Code': weights.page},
        }
    return result


def _image_size(cfg: Config) -> tuple[int, int]:
    """Return the size of a classifier's test images, at which its FLOPs are counted."""
    dataset = first_dataset(cfg.test_dataloader)
    crops = [step.crop_size for step in dataset.get('pipeline', ()) if 'crop_size' in step]
    size = crops[-1] if crops else 32 if 'CIFAR' in dataset.type else 224
    return (size, size) if isinstance(size, int) else tuple(size)


def _collections(models: list[dict], folder: Path, root: Path) -> list[dict[str, Any]]:
    readme = folder / 'README.md' if (folder / 'README.md').exists() else root / 'README.md'
    result = []
    for name in sorted({model['In Collection'] for model in models}):
        collection = {'Name': name, 'README': readme.relative_to(root).as_posix(),
                      'Code': {'Version': f'v{__version__}'}}
        if name in _PAPERS:
            collection |= {'Metadata': {'Architecture': [name]}, 'Paper': _PAPERS[name]}
        result.append(collection)
    return result


def _yaml(data: dict) -> str:
    return yaml.safe_dump(data, sort_keys=False, width=120, allow_unicode=True)
