"""What is entered into the host libraries besides types: the checkpoint scheme, our models in mmpretrain's hub, and
mmcv's operators where they were not compiled.

Each happens when the host's module has been imported, whichever of us came first.
"""

import logging
from pathlib import Path

from se_backbones.mmcv_ext.finder import prefer_compiled
from se_backbones.utils.import_hooks import when_imported
from se_backbones.utils.paths import model_index_path


def register() -> None:
    """Enter the scheme, the models and the operators, now or once the host's module has been imported."""
    prefer_compiled()
    when_imported('mmengine.runner.checkpoint', _register_scheme)
    when_imported('mmpretrain.apis.model', _register_models)


def _register_scheme() -> None:
    from se_backbones import registry  # mmengine has been imported
    registry.register_scheme()


def _register_models() -> None:
    from mmpretrain.apis.model import ModelHub
    index = model_index_path()
    if index is None:
        return
    try:
        ModelHub.register_model_index(index, config_prefix=Path(index).parent)
    except Exception as error:
        # A host in an unexpected version must not make this package impossible to import.
        logging.getLogger(__name__).warning("The models of se_backbones are not in mmpretrain's list_models: %s",
                                            error)
