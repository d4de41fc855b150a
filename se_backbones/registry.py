"""Child registries of mmengine's roots, scope ``se_backbones``.

A type string with the prefix ``se_backbones.`` makes mmengine import this module by its name and then the ``locations``
of the registry that is asked, from within any host library's scope: configs need no ``custom_imports``. Nothing of ours
is registered in mmengine's root or in another library's registry, so no bare name ever changes its meaning.
"""

import importlib

from mmengine import registry as _mmengine
from mmengine.registry import Registry
from mmengine.utils import get_object_from_string

from se_backbones.utils.validation import did_you_mean

SCOPE = 'se_backbones'
SCHEME = 'se-backbones://'
# As timm writes addresses on the Hugging Face Hub.
HUB = 'hf-hub:'


class UnknownTypeError(KeyError):
    """A ``se_backbones.`` type that does not exist. KeyError as in mmengine, but its text prints without escapes."""

    __str__ = Exception.__str__


class _ChildRegistry(Registry):
    """A registry that also knows the path of a class, and answers a misspelt name with the names that exist."""

    def get(self, key: str):
        # Of the path of a class, as the Runner dumps it for a config in Python, mmengine takes the start for our scope.
        found = super().get(key) or get_object_from_string(f'{SCOPE}.{key.removeprefix(f"{SCOPE}.")}')
        if found is None:
            name = key.split('.')[-1]
            names = sorted(self.module_dict)
            raise UnknownTypeError(f"type='{SCOPE}.{name}' is not in the {self.name} registry of {SCOPE}, which has "
                                   f'{", ".join(names) or "no entries"}.{did_you_mean(name, names)}')
        return found


def _child(root: str, *locations: str) -> Registry:
    parent = getattr(_mmengine, root)
    return _ChildRegistry(parent.name, parent=parent, scope=SCOPE, locations=list(locations))


MODELS = _child('MODELS', 'se_backbones.models.operators', 'se_backbones.models.backbones',
                'se_backbones.models.shared_heads', 'se_backbones.models.necks')
WEIGHT_INITIALIZERS = _child('WEIGHT_INITIALIZERS', 'se_backbones.pretrained.pretrained')
HOOKS = _child('HOOKS', 'se_backbones.engine.channels_last', 'se_backbones.engine.checkpoint_hook',
               'se_backbones.engine.gate_saturation', 'se_backbones.engine.invalid_loss',
               'se_backbones.engine.preflight_hook')
OPTIM_WRAPPERS = _child('OPTIM_WRAPPERS', 'se_backbones.engine.bfloat16')
DATASETS = _child('DATASETS', 'se_backbones.datasets.places365')
TRANSFORMS = _child('TRANSFORMS', 'se_backbones.datasets.pixel_jitter')
METRICS = _child('METRICS', 'se_backbones.evaluation.validation_loss')
PARAM_SCHEDULERS = _child('PARAM_SCHEDULERS', 'se_backbones.engine.plateau')

# Empty ones: a config that inherits ours gets `_scope_='se_backbones'` stamped on its dicts, and mmengine then asks our
# child of every root; without these it warns and fails on names that the root itself has.
for _root in ('DATA_SAMPLERS', 'EVALUATOR', 'VISUALIZERS', 'VISBACKENDS', 'OPTIMIZERS',
              'OPTIM_WRAPPER_CONSTRUCTORS', 'TASK_UTILS', 'LOOPS', 'LOG_PROCESSORS',
              'MODEL_WRAPPERS', 'RUNNERS', 'RUNNER_CONSTRUCTORS', 'INFERENCERS', 'FUNCTIONS', 'STRATEGIES'):
    globals()[_root] = _child(_root)


def register_scheme() -> None:
    """Enter ``se-backbones://`` and ``hf-hub:`` among the schemes of mmengine's checkpoint loader."""
    from mmengine.runner.checkpoint import CheckpointLoader
    CheckpointLoader.register_scheme((SCHEME, HUB), load_from_se_backbones, force=True)


def load_from_se_backbones(filename: str, map_location: str | None = None) -> dict:
    """Return ``dict(state_dict=...)`` of published weights by our keys; what mmengine calls for our schemes.

    Args:
        filename: ``se-backbones://NAME`` for a backbone, ``se-backbones://NAME/classifier`` for a whole mmpretrain
            classifier (keys ``backbone.*`` and ``head.fc.*``); ``hf-hub:OWNER/NAME``.
        map_location: As in ``torch.load``; None: the CPU.

    Raises:
        WeightsError: They cannot be loaded.
    """
    # By name, as the locations above: the registry knows packages that build on it, and imports none of them.
    source = importlib.import_module('se_backbones.pretrained.source')
    return dict(state_dict=source.load(filename, map_location or 'cpu').state)
