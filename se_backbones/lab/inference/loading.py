"""A config's model with the weights of a checkpoint, and the names of its classes."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DATASETS, MODELS
from torch import nn

from se_backbones.engine.checks.config_tree import config_scope, model_of
from se_backbones.pretrained.complete import load_complete
from se_backbones.pretrained.reading import dataset_meta
from se_backbones.utils.dataset_configs import tested_dataset


def build_model(cfg: Config) -> nn.Module:
    """Build the model of a whole config as a Runner does."""
    with config_scope(cfg):
        return MODELS.build(model_of(cfg))


def tested_model(cfg: Config, checkpoint: str | None, device: str = 'cpu') -> tuple[nn.Module, Mapping]:
    """Build the model of a whole config, load its weights, and return it in eval mode, with the checkpoint's ``meta``.

    Args:
        cfg: The whole config.
        checkpoint: Its weights, as :func:`se_backbones.pretrained.source.load` takes them; None: the model stays as it
            was initialised.
        device: Such as ``'cpu'`` or ``'cuda:0'``.

    Raises:
        ValueError: There is no such device.
        MisfitError: The checkpoint does not hold the whole model.
        WeightsError: The checkpoint cannot be loaded; no code of it is run.
    """
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device={device!r} cannot be used: {reason} Others are 'cpu' and, with a GPU, 'cuda:0'."
                         ) from None
    model, meta = build_model(cfg), {}
    if checkpoint is not None:
        source = load_complete(model, checkpoint, cfg)
        model.load_state_dict(source.state, strict=False)
        meta = source.meta
    return revert_sync_batchnorm(model).to(device).eval(), meta


def classes_of(cfg: Config, meta: Mapping) -> dict[str, Any]:
    """Return names and colours of a model's classes, as far as they are known: ``dict(classes=..., palette=...)``.

    They are those that the checkpoint was trained with, if it says so; else those of the dataset that the config is
    tested on, of which no file is read.

    Args:
        cfg: The whole config.
        meta: Of the checkpoint, see :func:`tested_model`.
    """
    named = dataset_meta(meta)
    if 'classes' in named:
        return named
    return dataset_meta(unread_dataset(cfg).metainfo)


def unread_dataset(cfg: Config) -> Any:
    """Return the dataset that a config is tested on, without its pipeline, of which no file is read."""
    with config_scope(cfg):
        return DATASETS.build({**copy.deepcopy(tested_dataset(cfg)), 'pipeline': [], 'lazy_init': True})
