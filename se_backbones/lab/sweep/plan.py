"""What is to be trained: the configs of a list, the tables that show them, and the runs of each seed."""

import hashlib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from se_backbones.utils.validation import first_few, known_keys

RESULT, LOG = 'result.json', 'log.txt'


def digest(settings: Config) -> str:
    """Return a digest of all that is set: a result belongs to one."""
    return hashlib.sha256(json.dumps(settings.to_dict(), sort_keys=True, default=str).encode()).hexdigest()[:16]


class Row(NamedTuple):
    """One line of a table: what it is called, and the config that it shows."""

    row: str
    config: Path


class Table(NamedTuple):
    """One table; a config may stand in several."""

    name: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        config: The config file.
        seed: Of the weights and of the order of the images.
        folder: Work dir of the run; ``result.json`` in it says that the run is done.
        options: Settings that override the config's, as ``Config.merge_from_dict`` takes them.
    """

    config: Path
    seed: int
    folder: Path
    options: dict[str, Any] = field(default_factory=dict)

    def settings(self) -> Config:
        """Return the config with the options in it: what all seeds share."""
        cfg = Config.fromfile(self.config)
        cfg.merge_from_dict(self.options)
        return cfg

    def load(self) -> Config:
        """Return the settings with the seed and the folder in them."""
        cfg = self.settings()
        cfg.randomness = {**cfg.get('randomness', {}), 'seed': self.seed}
        cfg.work_dir = str(self.folder)
        cfg.launcher = 'none'
        return cfg

    def result(self) -> dict | None:
        """Return what the run found, or None if it is not done."""
        file = self.folder / RESULT
        return json.loads(file.read_text()) if file.exists() else None


@dataclass(frozen=True)
class Matrix:
    """Configs x seeds.

    Attributes:
        tables: What the result is shown as.
        baseline: The config that the others are compared with.
        metric: Name of the metric in the log, such as ``'accuracy/top1'``; None: the first known one that is logged.
        what: What the metric is, for headings.
    """

    tables: tuple[Table, ...]
    baseline: Path
    metric: str | None = None
    what: str = ''

    @property
    def configs(self) -> tuple[Path, ...]:
        """Every config once, in the order of the tables."""
        return tuple(dict.fromkeys(row.config for table in self.tables for row in table.rows))

    def runs(self, seeds: Sequence[int], out: str | Path, options: dict[str, Any] | None = None) -> list[Run]:
        """Return the runs, seed by seed, so that an interrupted matrix has equally many of each config."""
        return [Run(config, seed, Path(out) / config.stem / f'seed_{seed}', dict(options or {}))
                for seed in seeds for config in self.configs]


def read_matrix(files: Sequence[str | Path]) -> Matrix:
    """Return the matrix of config files, of which the first one is the baseline, or of one list.

    A list is a TOML file with the keys ``what``, ``metric`` and ``baseline`` and with ``[[table]]`` entries of a
    ``name`` and ``rows``, each ``{row = 'name', config = 'file.py'}``; files are relative to it.

    Raises:
        ValueError: The list is not like that, or two configs have the same name, which is that of their folder.
        FileNotFoundError: A config does not exist.
    """
    paths = [Path(file) for file in files]
    lists = [path for path in paths if path.suffix == '.toml']
    if lists and len(paths) > 1:
        raise ValueError(f'a list of configs stands alone, got {first_few(map(str, paths))}.')
    if lists:
        matrix = _from_list(lists[0])
    else:
        matrix = Matrix((Table('', tuple(Row(path.stem, path) for path in paths)),), paths[0])
    absent = [config for config in (*matrix.configs, matrix.baseline) if not config.is_file()]
    if absent:
        raise FileNotFoundError(f'There is no config file {absent[0]}.')
    if matrix.baseline.resolve() not in [config.resolve() for config in matrix.configs]:
        raise ValueError(f'the baseline {matrix.baseline} is in no table.')
    stems = [config.stem for config in matrix.configs]
    if len(set(stems)) < len(stems):
        raise ValueError(f'configs need different names, got {first_few(sorted(stems), 8)}.')
    return matrix


def _from_list(file: Path) -> Matrix:
    with open(file, 'rb') as stream:
        content = tomllib.load(stream)
    known_keys(str(file), content, ('what', 'metric', 'baseline', 'table'))
    missing = [key for key in ('baseline', 'table') if key not in content]
    if missing:
        raise ValueError(f'{file} lacks {" and ".join(missing)}.')
    try:
        tables = tuple(Table(table['name'], tuple(Row(row['row'], file.parent / row['config'])
                                                  for row in table['rows'])) for table in content['table'])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file}: a table has a name and rows of {{row = '...', config = '...'}}; {error}.") from None
    return Matrix(tables, file.parent / content['baseline'], content.get('metric'), content.get('what', ''))
