"""Networks that are compared begin alike: the layers that they share have the same weights, drawn or of one file."""

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import set_random_seed

from se_backbones.engine.checks.config_tree import nodes
from se_backbones.lab.inference.loading import build_model


class BeginAs(Hook):
    """Before the first iteration, give a network the initial weights of another one wherever both have a parameter of
    that name and shape, and draw on with the random numbers that are next there. A resumed run goes on as it was, and
    where both load one file (``load_from``) the weights are as loaded.

    Args:
        cfg: Config of the other network, with its seed in ``randomness``.
    """

    priority = 'HIGHEST'

    def __init__(self, cfg: Config):
        self.cfg = cfg

    def before_train(self, runner) -> None:
        if runner.iter:
            return
        # As a Runner does: the seed, the network, its weights.
        set_random_seed(**self.cfg.randomness)
        other = build_model(self.cfg)
        other.init_weights()
        if self.cfg.get('load_from'):
            return
        theirs = dict(other.named_parameters())
        # Not load_state_dict, which would make the operators do nothing: no checkpoint is inserted into here.
        with torch.no_grad():
            for name, own in runner.model.named_parameters():
                if name in theirs and theirs[name].shape == own.shape:
                    own.copy_(theirs[name])


def check_pair(cfg: Config, other: Config) -> None:
    """Check that two networks begin with drawn weights, or both with those of one file in ``load_from``.

    Raises:
        ValueError: One of them loads other weights.
    """
    if cfg.get('load_from') != other.get('load_from'):
        raise ValueError(f'{cfg.filename}: load_from is {cfg.get("load_from")!r}, and {other.get("load_from")!r} in '
                         f'{other.filename}; paired = true is for networks that begin alike.')
    for key, node in nodes(cfg.model, 'model'):
        for name in ('pretrained', 'checkpoint'):
            if isinstance(node.get(name), str):
                raise ValueError(f'{cfg.filename}: {key}.{name} loads weights, and paired = true is for networks that '
                                 'begin with drawn ones, or with those of one file in load_from.')
