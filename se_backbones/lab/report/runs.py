"""A run as it lies in its work dir: config, checkpoint, log."""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from se_backbones.engine.resume import last_checkpoint
from se_backbones.models.placement import context_entries

# What a run reads of its config; anything else in the file is a variable that these are made of. The last ones differ
# between any two runs and say nothing of the experiment.
READ = set(inspect.signature(Runner.__init__).parameters) - {
    'work_dir', 'experiment_name', 'load_from', 'resume', 'launcher', 'visualizer', 'cfg'}


@dataclass
class Run:
    """One run.

    Attributes:
        label: What the report calls it.
        work_dir: Its folder.
        cfg: The config that mmengine dumped there.
        checkpoint: The newest one, the best one if the run kept it; None: there is none.
    """

    label: str
    work_dir: Path
    cfg: Config
    checkpoint: str | None


def find_run(work_dir: str | Path, label: str | None = None) -> Run:
    """Return the run in a work dir.

    Raises:
        FileNotFoundError: The folder does not exist or holds no config.
    """
    folder = Path(work_dir)
    configs = sorted(folder.glob('*.py'), key=lambda path: path.stat().st_mtime)
    if not configs:
        raise FileNotFoundError(f'{work_dir} holds no config file; is it the work dir of a run?')
    best = sorted(folder.glob('best_*.pth'), key=lambda path: path.stat().st_mtime)
    found = [path for path in (*best[-1:], Path(last_checkpoint(folder) or '')) if path.is_file()]
    return Run(label or folder.resolve().name, folder, Config.fromfile(configs[-1]), str(found[0]) if found else None)


def differences(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Return ``{config key: its value in each run}`` of the keys whose values differ; ``'-'``: the key is absent."""
    flat = [dict(_flat({key: value for key, value in run.cfg.to_dict().items() if key in READ})) for run in runs]
    keys = dict.fromkeys(key for settings in flat for key in settings)
    rows = {key: [settings.get(key, '-') for settings in flat] for key in keys}
    return {key: values for key, values in rows.items() if len(set(values)) > 1 and not key.endswith('_scope_')}


def _flat(node: Any, key: str = '') -> Iterator[tuple[str, str]]:
    if isinstance(node, dict) and node:
        for name, value in node.items():
            yield from _flat(value, f'{key}.{name}' if key else str(name))
    elif isinstance(node, (list, tuple)) and any(isinstance(value, dict) for value in node):
        for index, value in enumerate(node):
            yield from _flat(value, f'{key}[{index}]')
    else:
        yield key, repr(node)


def context_in_words(cfg: Config) -> str:
    """Return which operators a config puts where, as in the config, or ``'none'``."""
    words = []
    for entry in context_entries(cfg.get('model', {}).get('backbone', {}).get('context')).values():
        op = dict(entry['op'])
        options = ', '.join(f'{name}={value!r}' for name, value in op.items() if name not in ('type', '_scope_'))
        stages = '' if entry.get('stages') is None else f', stages {tuple(entry["stages"])}'
        words.append(f'{op["type"]}({options}), {entry.get("placement", "standard")}{stages}')
    return '; '.join(words) or 'none'
