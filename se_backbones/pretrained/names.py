"""Find the published weights of a checkpoint: by our name, mmengine's tables, or the file name."""

import os
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from se_backbones.pretrained.errors import WeightsError
from se_backbones.pretrained.manifest import Weights, by_timms_name, find, manifest
from se_backbones.registry import HUB, SCHEME
from se_backbones.utils.validation import did_you_mean


def published_name(checkpoint: Any) -> str | None:
    """Return the manifest's name in ``se-backbones://NAME`` or ``se-backbones://NAME/classifier``, else None."""
    if not isinstance(checkpoint, str) or not checkpoint.startswith(SCHEME):
        return None
    return checkpoint.removeprefix(SCHEME).removesuffix('/classifier')


def recognised(checkpoint: Any) -> Weights | None:
    """Return the published weights that a config means, whatever it calls them; None: they are not in the manifest.

    File names carry the first digits of their hash, as torch.hub has it.

    Raises:
        WeightsError: A name with our scheme, or with one of mmengine's, does not exist.
    """
    if not isinstance(checkpoint, str):
        return None
    if name := published_name(checkpoint):
        return find(name)
    if checkpoint.startswith(f'{HUB}timm/'):
        return by_timms_name().get(checkpoint.removeprefix(f'{HUB}timm/').partition('@')[0])
    scheme, _, name = checkpoint.partition('://')
    file = url_of(scheme, name) if scheme in TABLES else urlsplit(checkpoint).path
    return by_file().get(os.path.basename(file))


def by_file() -> dict[str, Weights]:
    """Return the published weights by file name."""
    return {weights.file: weights for weights in manifest().values()}


def _of_mmengine(name: str) -> dict[str, str]:
    # It imports torch, which a list of names does not need.
    from mmengine.runner import checkpoint
    return getattr(checkpoint, name)()


TABLES = {
    'torchvision': partial(_of_mmengine, 'get_torchvision_models'),
    'modelzoo': partial(_of_mmengine, 'get_torchvision_models'),
    'open-mmlab': partial(_of_mmengine, 'get_external_models'),
    'openmmlab': partial(_of_mmengine, 'get_external_models'),
    'mmcls': partial(_of_mmengine, 'get_mmcls_models'),
}


def url_of(scheme: str, name: str) -> str:
    """Return the URL, or a file below mmengine's home, for which mmengine has a name.

    Raises:
        WeightsError: It has no such name.
    """
    urls = TABLES[scheme]()
    if scheme in ('open-mmlab', 'openmmlab'):
        name = _of_mmengine('get_deprecated_model_names').get(name, name)
    if name not in urls:
        raise WeightsError(f'{scheme}:// has no weights named {name!r}.{did_you_mean(name, urls)}')
    return urls[name]
