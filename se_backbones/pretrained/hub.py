"""Checkpoints on the Hugging Face Hub: ``hf-hub:OWNER/NAME``, or ``hf-hub:OWNER/NAME@REVISION``, as timm writes it.

They are fetched by ``huggingface_hub`` (extra ``hub``). Its cache, ``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HUB_OFFLINE``
and how it resumes are its own.
"""

import os
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from se_backbones.pretrained.download import OFFLINE, cache_folder, fetch
from se_backbones.pretrained.errors import DownloadError
from se_backbones.pretrained.manifest import Weights
from se_backbones.registry import HUB
from se_backbones.utils.extras import need

# What timm and transformers call them; the one that holds nothing but tensors first.
FILES = ('model.safetensors', 'pytorch_model.bin')
_ADDRESS = re.compile(r'https://huggingface\.co/([^/]+/[^/]+)/resolve/([^/]+)/([^/]+)')


def fetch_from_hub(checkpoint: str) -> Path:
    """Return the file of ``hf-hub:OWNER/NAME`` or ``hf-hub:OWNER/NAME@REVISION`` in the hub's cache.

    Raises:
        DownloadError: It names no repository, or the file cannot be downloaded.
    """
    repository, _, revision = checkpoint.removeprefix(HUB).partition('@')
    if not re.fullmatch(r'[\w.-]+/[\w.-]+', repository):
        raise DownloadError(f'{checkpoint!r} names no repository; write {HUB}OWNER/NAME or {HUB}OWNER/NAME@REVISION, '
                            f'such as {HUB}timm/seresnet50.ra2_in1k.')
    return _download(repository, revision or None, FILES)


def fetch_weights(weights: Weights) -> Path:
    """Return the file of published weights, downloaded if need be; from the hub by its own client if that is there.

    Raises:
        DownloadError: See :func:`se_backbones.pretrained.download.fetch`.
    """
    on_hub = _ADDRESS.fullmatch(weights.urls[0]) if weights.urls else None
    if on_hub and find_spec('huggingface_hub') and not (cache_folder() / weights.file).exists():
        return _download(on_hub[1], on_hub[2], [on_hub[3]])
    return fetch(weights.file, weights.urls, weights.sha256, weights.page)


def _download(repository: str, revision: str | None, files: Sequence[str]) -> Path:
    need(f'{HUB} checkpoints', 'hub', 'huggingface_hub', error=DownloadError)
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import RemoteEntryNotFoundError
    offline = os.environ.get(OFFLINE, '0') not in ('', '0')
    name = f'{HUB}{repository}{f"@{revision}" if revision else ""}'
    for file in files:
        try:
            return Path(hf_hub_download(repository, file, revision=revision, local_files_only=offline))
        except RemoteEntryNotFoundError:
            continue
        except (OSError, ValueError) as error:
            # Offline the first file may be absent because the repository has the second one.
            if isinstance(error, FileNotFoundError) and file != files[-1]:
                continue
            reason = ' '.join(str(error).split())
            raise DownloadError(f'{name} could not be downloaded: {type(error).__name__}: {reason}') from None
    raise DownloadError(f'{name} has no {" and no ".join(files)}.')
