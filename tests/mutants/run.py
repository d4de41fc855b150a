"""Plant single-line faults in the plugin and see whether the tests notice: `make mutants`.

    python tests/mutants/run.py --count 300 --seed 0 --out work_dirs/mutants

1. The plugin's fast tests run once under coverage, which notes which tests run which line, and how long each takes.
   They run on a copy of the project without a fault, made as those with one: what fails on it fails here.
2. The seed draws lines, and for each a fault of cosmic-ray's operators, so that nobody chooses them.
3. The hosts are imported once. Each fault has a fork of this process, a copy of the project made of links in which one
   file differs, and the tests that run its line, up to the first that fails: those nearest to the module first, then
   the quickest.

What is done stands in OUT/results.jsonl, with the test that noticed, and is not done again; a summary with the
survivors ends the run. Do not change the project meanwhile.
"""

import argparse
import ast
import contextlib
import difflib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import types
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import coverage
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.provider import OperatorProvider
from rich.progress import Progress

ROOT = Path(__file__).parents[2]
# The plugin, without what only Triton runs.
ROOMS = ('models', 'ops', 'pretrained', 'engine', 'datasets', 'evaluation', 'utils')
# The fast tests that mean the plugin: the lab's, the documentation's and the tools' cost as much again.
TESTS = (*(f'tests/{room}' for room in ROOMS if room != 'evaluation'), 'tests/configs', 'tests/golden',
         'tests/integration', 'tests/lab/analysis', 'tests/tools/test_preflight.py', 'tests/test_numerics.py',
         'tests/test_random_configs.py', 'tests/test_registration.py', 'tests/test_registry.py')
# They put another name in a name's place, which tells little: mostly it does not exist.
LEFT_OUT = {'VariableReplacer', 'VariableInserter', 'ExceptionReplacer', 'RemoveDecorator'}
HOSTS = ('torch', 'torchvision', 'timm', 'mmengine.runner', 'mmcv.ops', 'mmdet.apis', 'mmpretrain.apis', 'mmseg.apis',
         'supervision', 'sklearn.datasets', 'hypothesis', 'pytest')
ENDLESS = 240  # seconds of computing, after which a fault counts as noticed, as whoever runs the tests would
ASLEEP = 900  # seconds after which a process counts as one that waits for ever
NOTICED, LIVED, NO_MODULE = 'noticed', 'lived', 'the module cannot be imported'
CANNOT_BE_IMPORTED = 9  # the exit code; pytest has others up to 5


@dataclass(frozen=True)
class Fault:
    """One changed line.

    Attributes:
        module: Path of the file in the project.
        line: Its number.
        operator, occurrence: cosmic-ray's.
    """

    module: str
    line: int
    operator: str
    occurrence: int

    def source(self) -> tuple[str, str]:
        """Return the text of the module without and with the fault."""
        text = (ROOT / self.module).read_text()
        return text, mutate_code(text, OperatorProvider()[self.operator](), self.occurrence)

    def change(self) -> list[str]:
        """Return the line as it was and as it is."""
        before, after = (text.splitlines() for text in self.source())
        return [line for line in difflib.unified_diff(before, after, n=0, lineterm='')
                if line[0] in '+-' and line[:3] not in ('+++', '---')]


def drawn(seed: int) -> Iterator[Fault]:
    """Yield one fault for each line on which there can be one, in the order of the seed."""
    by_line: dict[tuple[str, int], list[Fault]] = {}
    for path in sorted(path for room in ROOMS for path in (ROOT / 'se_backbones' / room).rglob('*.py')):
        if 'triton' in path.name:
            continue
        text, module = path.read_text(), str(path.relative_to(ROOT))
        tree = get_ast(text)
        annotations = _lines_of_annotations(text)
        for name in OperatorProvider():
            if name in LEFT_OUT:
                continue
            operator = OperatorProvider()[name]()
            places = (start for node in ast_nodes(tree) for start, _ in operator.mutation_positions(node))
            for occurrence, (line, _) in enumerate(places):
                if not ('BitOr' in name and line in annotations):
                    by_line.setdefault((module, line), []).append(Fault(module, line, name, occurrence))
    chance = random.Random(seed)
    lines = sorted(by_line)
    chance.shuffle(lines)
    for line in lines:
        yield chance.choice(by_line[line])


def _lines_of_annotations(text: str) -> set[int]:
    """Return the lines of types, where ``int | None`` computes nothing."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        for annotation in (getattr(node, 'annotation', None), getattr(node, 'returns', None)):
            if annotation is not None:
                found |= set(range(annotation.lineno, annotation.end_lineno + 1))
    return found


def _shared(test: str, module: str) -> int:
    """Return how near a test is to a module: how many folders they share, and the name of the file."""
    there = test.partition('::')[0].removesuffix('.py').replace('/test_', '/').split('/')[1:]
    here = module.removesuffix('.py').split('/')[1:]
    return next((number for number, (a, b) in enumerate(zip(here, there)) if a != b), min(len(here), len(there)))


class Tests:
    """Which tests run which line, and how many seconds they take: one run of the suite, kept in a folder."""

    def __init__(self, folder: Path, limit: float):
        self._limit = limit
        data, times = folder / 'lines.coverage', folder / 'times.xml'
        if not data.exists():
            print('The tests run once under coverage ...', flush=True)
            with tempfile.TemporaryDirectory(prefix='mutant-') as project:
                link(Path(project))
                # A number of processes, also where the suite would take one: pytest-cov notes no tests there.
                subprocess.run([sys.executable, '-m', 'pytest', '-q', '-n', str(os.cpu_count()), '--maxprocesses', '4',
                                '--cov=se_backbones', '--cov-context=test',
                                '--cov-report=', f'--junitxml={times}', *TESTS],
                               cwd=project, check=True,
                               env={**os.environ, 'PYTHONPATH': project, 'COVERAGE_FILE': f'{data}.part',
                                    'COVERAGE_CORE': 'ctrace'})
            os.replace(f'{data}.part', data)
        self._data = coverage.CoverageData(str(data))
        self._data.read()
        if len(self._data.measured_contexts()) < 2:
            sys.exit(f'error: {data} does not say which test runs which line; remove it.')
        self._seconds = {f'{case.get("classname")}.{case.get("name")}': float(case.get('time'))
                         for case in ElementTree.parse(times).iter('testcase')}

    def of(self, fault: Fault) -> list[str]:
        """Return the tests to run; of lines that run on import, those of the whole module."""
        lines = self._data.contexts_by_lineno(str(ROOT / fault.module))
        contexts = [name for name in lines.get(fault.line, ()) if name]
        contexts = contexts or {name for found in lines.values() for name in found if name}
        ids = {name.rpartition('|')[0] for name in contexts}
        files: Counter[str] = Counter()
        chosen, seconds = [], 0.0
        for name in sorted(ids, key=lambda name: (-_shared(name, fault.module), self._time(name), name)):
            if not chosen or seconds + self._time(name) <= self._limit:
                chosen.append(name)
                seconds += self._time(name)
                files[name.partition('::')[0]] += self._time(name)
        # File by file, for the sake of the fixtures of modules.
        return sorted(chosen, key=lambda name: (-_shared(name, fault.module), files[name.partition('::')[0]],
                                                name.partition('::')[0], self._time(name), name))

    def _time(self, name: str) -> float:
        file, _, test = name.partition('.py::')
        return self._seconds.get(f'{file.replace("/", ".")}.{test}', 1.0)


def plant(fault: Fault, tests: list[str], project: Path) -> int:
    """Return the process in which the tests run on the faulty project; its exit code is 0 if they pass."""
    link(project, fault.module)
    (project / fault.module).write_text(fault.source()[1])
    process = os.fork()
    if process:
        return process
    os.setsid()
    signal.alarm(ASLEEP)
    resource.setrlimit(resource.RLIMIT_CPU, (ENDLESS, ENDLESS))
    log = os.open(project / 'log.txt', os.O_CREAT | os.O_WRONLY)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(project)
    sys.path.insert(0, str(project))
    os.environ['PYTHONPATH'] = str(project)
    sys.dont_write_bytecode = True
    del sys.modules[Operators.NAME]
    code = 1
    try:
        importlib.import_module(fault.module.removesuffix('.py').removesuffix('/__init__').replace('/', '.'))
    except BaseException:
        code = CANNOT_BE_IMPORTED
    else:
        import pytest
        code = int(pytest.main(['-x', '-q', '-n', '0', '-p', 'no:cacheprovider', *tests])) if tests else 0
    finally:
        os._exit(code)


def link(project: Path, changed: str = '') -> None:
    """Make a copy of the project of links, but for the folders that lead to one file, and the file itself."""
    here, there = ROOT, project
    for part in Path(changed).parts or ('',):
        for path in here.iterdir():
            if path.name not in (part, '__pycache__') and not path.name.startswith('.'):
                (there / path.name).symlink_to(path)
        here, there = here / part, there / part
        if here.is_dir():
            there.mkdir(exist_ok=True)


class Operators(types.ModuleType):
    """Stands for mmcv's operators, so that the hosts can be imported and nothing of ours with them."""

    NAME = 'mmcv._ext'

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        return lambda *args, **options: getattr(importlib.import_module('se_backbones.mmcv_ext.operators'), name)(
            *args, **options)


class Results:
    """What became of the faults, a line of JSON each."""

    def __init__(self, file: Path):
        self._file = file
        self.rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def has(self, fault: Fault) -> bool:
        return any(row['module'] == fault.module and row['line'] == fault.line for row in self.rows)

    @property
    def counted(self) -> int:
        return sum(row['result'] != NO_MODULE for row in self.rows)

    def add(self, fault: Fault, tests: list[str], code: int, log: str) -> None:
        result = {0: LIVED, CANNOT_BE_IMPORTED: NO_MODULE}.get(code, NOTICED)
        by = next((line for line in log.splitlines() if line.startswith(('FAILED ', 'ERROR '))), f'exit code {code}')
        if code > 0 and result == NOTICED and by.startswith('exit'):
            sys.exit(f'{log}\nerror: no test failed; if tests have changed, begin anew in another --out')
        row = vars(fault) | dict(change=fault.change(), tests=len(tests), result=result, by=by * (result == NOTICED))
        self.rows.append(row)
        with open(self._file, 'a') as file:
            file.write(json.dumps(row) + '\n')

    def summary(self) -> str:
        """Return the share that was noticed, in all and by room, and those that lived."""
        rows = [row for row in self.rows if row['result'] != NO_MODULE]
        lived = [row for row in rows if row['result'] == LIVED]
        rooms = {name: Counter(row['module'].split('/')[1] for row in found)
                 for name, found in (('all', rows), (LIVED, lived))}
        lines = [f'{len(rows) - len(lived)} of {len(rows)} faults were noticed ({1 - len(lived) / len(rows):.1%}).']
        for room, count in sorted(rooms['all'].items()):
            lines.append(f'    {room}: {count - rooms[LIVED][room]} of {count}')
        for row in lived:
            lines += [f'{row["module"]}:{row["line"]} lived through {row["tests"]} tests',
                      *(f'    {change}' for change in row['change'])]
        return '\n'.join(lines)


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--count', type=int, default=300)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--jobs', type=int, default=os.cpu_count(), help='faults at a time')
    parser.add_argument('--seconds', type=float, default=45,
                        help='of tests for each fault, as long as they took under coverage (default: 45)')
    parser.add_argument('--out', type=Path, default=ROOT / 'work_dirs' / 'mutants')
    args = parser.parse_args(argv)
    args.out = args.out.resolve()  # the tests run elsewhere
    args.out.mkdir(parents=True, exist_ok=True)
    tests = Tests(args.out, args.seconds)
    os.environ.setdefault('TRITON_INTERPRET', '1')
    os.environ['OMP_NUM_THREADS'] = '1'
    sys.modules[Operators.NAME] = Operators(Operators.NAME)
    for name in HOSTS:
        importlib.import_module(name)
    assert 'se_backbones' not in sys.modules
    results = Results(args.out / 'results.jsonl')
    faults = (fault for fault in drawn(args.seed) if not results.has(fault))
    running: dict[int, tuple[Fault, list[str], str]] = {}
    with Progress() as progress:
        shown = progress.add_task('planting', total=args.count)
        while results.counted < args.count:
            progress.update(shown, completed=results.counted)
            while len(running) < min(args.jobs, args.count - results.counted) and (fault := next(faults, None)):
                chosen, project = tests.of(fault), tempfile.mkdtemp(prefix='mutant-')
                running[plant(fault, chosen, Path(project))] = fault, chosen, project
            if not running:
                break
            process, status = os.wait()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)  # what its tests started
            fault, chosen, project = running.pop(process)
            results.add(fault, chosen, os.waitstatus_to_exitcode(status), Path(project, 'log.txt').read_text())
            shutil.rmtree(project)
    print(results.summary())


if __name__ == '__main__':
    main()
