"""Set up ``.venv`` with the whole stack. ``make setup`` runs this; the standard library is all that it needs.

``--family openmmlab`` sets up ``.venv-openmmlab`` with the original OpenMMLab packages instead of the forks, and
``--venv`` names another folder, so that several Pythons and both families can be tested in one checkout.

Each step leaves a stamp in ``.venv/stamps`` that is a digest of the requirement files it read, so that a finished
set-up does nothing, a changed file re-runs what depends on it, and an interrupted run goes on where it stopped. The one
long step compiles mmcv's operators (RoIAlign, NMS, ...), of which there is no binary for this torch; the finished wheel
is kept in the user's cache, under the Python, torch and CUDA versions it was compiled for.
"""

import argparse
import ast
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tarfile
import threading
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUPPORTED_PYTHONS = ((3, 11), (3, 12))
# Raise it when a step itself changes, so that existing environments run their steps again.
SCRIPT_VERSION = 1
FREE_GB_NEEDED = 8
GIB = 1024**3
# One compiler process that reads torch's headers takes about this much memory.
GB_PER_COMPILER = 1.5
# Measured: 8.5 minutes on two cores.
CPU_MINUTES_OF_MMCV = 17
SECONDS_BETWEEN_PLAIN_LINES = 30

# Kept equal to se_backbones.hosts.DISTRIBUTIONS by a test; the package cannot be imported before it is installed.
ONEDL_NAMES = ('onedl-mmengine', 'onedl-mmcv', 'onedl-mmdetection', 'onedl-mmpretrain', 'onedl-mmsegmentation')
OPENMMLAB_NAMES = ('mmengine', 'mmengine-lite', 'mmcv', 'mmcv-lite', 'mmcv-full', 'mmdet', 'mmpretrain',
                   'mmsegmentation')


@dataclass(frozen=True)
class Family:
    """One of the two families of packages that share the import names mmengine, mmcv, mmdet and mmpretrain.

    Attributes:
        name: Its own requirement files lie in ``requirements/<name>``; of the others it takes those that all take.
        called: What messages call it.
        names: Names of its distributions.
        mmcv: The one whose operators are compiled.
        pythons: On which it has been measured.
        venv: Folder of its environment, unless another is named.
    """

    name: str
    called: str
    names: tuple[str, ...]
    mmcv: str
    pythons: tuple[tuple[int, int], ...]
    venv: str


ONEDL = Family('onedl', 'the forks of the OpenMMLab packages', ONEDL_NAMES, 'onedl-mmcv', SUPPORTED_PYTHONS, '.venv')
OPENMMLAB = Family('openmmlab', 'the original OpenMMLab packages', OPENMMLAB_NAMES, 'mmcv', ((3, 11),),
                   '.venv-openmmlab')
FAMILIES = {family.name: family for family in (ONEDL, OPENMMLAB)}

# What this run sets up, and where; main() asks `set_up_in` for others than the default.
FAMILY = ONEDL
VENV = ROOT / FAMILY.venv
VENV_PYTHON = VENV / 'bin' / 'python'


class SetupError(Exception):
    """Something the user has to know, in one or a few lines; printed without a traceback."""


# --- What is installed ------------------------------------------------------------------------------------------------


def plain_name(name: str) -> str:
    """Return a distribution name in the one spelling that comparisons use."""
    return re.sub(r'[-_.]+', '-', name).lower()


def installed_versions(venv: Path) -> dict[str, str]:
    """Return ``{distribution: version}`` of an environment from its folder names alone, in milliseconds."""
    found = {}
    for info in venv.glob('lib/python3.*/site-packages/*.dist-info'):
        name, _, version = info.name.removesuffix('.dist-info').partition('-')
        found[plain_name(name)] = version
    return found


def venv_version(venv: Path) -> tuple[int, int] | None:
    """Return the Python version of an environment, or None if there is none."""
    with contextlib.suppress(OSError):
        found = re.search(r'^version\w* = (\d+)\.(\d+)', (venv / 'pyvenv.cfg').read_text(), re.MULTILINE)
        if found:
            return int(found.group(1)), int(found.group(2))
    return None


def pinned(text: str) -> dict[str, str]:
    """Return the ``name==version`` lines of a requirement file."""
    return {plain_name(name): version for name, version in re.findall(r'^([\w.-]+)==([\w.+!-]+)', text, re.MULTILINE)}


def unmet_pins(pins: Mapping[str, str], installed: Mapping[str, str]) -> list[str]:
    """Return the pinned names that are absent or at another version; a local part such as ``+cpu`` does not count."""
    return [name for name, version in pins.items() if installed.get(name, '').partition('+')[0] != version]


# --- Pre-flight checks: pure functions, each returns None or one line that names the remedy ---------------------------


def check_python(version: tuple[int, int], family: Family = ONEDL) -> str | None:
    if version in family.pythons:
        return None
    names = [f'{major}.{minor}' for major, minor in family.pythons]
    return (f'Python {version[0]}.{version[1]} is not supported: use {" or ".join(names)}, for example '
            f'`make setup PYTHON=python{names[-1]}`.')


def check_same_python(running: tuple[int, int], existing: tuple[int, int] | None) -> str | None:
    if existing is None or existing == running:
        return None
    return (f'{VENV.name} holds Python {existing[0]}.{existing[1]}, asked for is {running[0]}.{running[1]}: '
            f'leave PYTHON unset to keep it, or start over with `make clean-env`.')


def check_venv_module(has_ensurepip: bool, version: tuple[int, int]) -> str | None:
    if has_ensurepip:
        return None
    return ('this Python cannot make virtual environments (no ensurepip). '
            f'Debian, Ubuntu: apt-get install python{version[0]}.{version[1]}-venv')


def check_compiler(found: str | None) -> str | None:
    if found:
        return None
    return ('no C++ compiler (c++, g++, clang++, $CXX), which compiling mmcv needs. '
            'Debian, Ubuntu: apt-get install g++')


def check_headers(include: str, version: tuple[int, int]) -> str | None:
    if (Path(include) / 'Python.h').exists():
        return None
    return (f'no Python.h in {include}, which compiling mmcv needs. '
            f'Debian, Ubuntu: apt-get install python{version[0]}.{version[1]}-dev')


def check_disk(free_bytes: int, needed_gb: float, folder: str = '.venv') -> str | None:
    free_gb = free_bytes / GIB
    if free_gb >= needed_gb:
        return None
    return (f'{free_gb:.1f} GB are free where {folder} goes, {needed_gb} GB are needed: free some space, '
            f'or move the checkout to a larger disk.')


def check_families(names: Iterable[str], family: Family = ONEDL) -> str | None:
    """Two families of packages have the same import names: whichever came last has overwritten files of the other."""
    names = set(names)
    ours = sorted(names & set(family.names))
    other = OPENMMLAB if family is ONEDL else ONEDL
    others = sorted(names & set(other.names))
    if not others:
        return None
    if not ours:
        return (f'{VENV.name} holds {other.called} ({", ".join(others)}); this set-up installs {family.called}, '
                f'with the same import names: keep each in an environment of its own, or start over with '
                f'`make clean-env`.')
    return (f'{VENV.name} holds both OpenMMLab families ({", ".join(others)} beside {", ".join(ours)}), which '
            f'overwrite each other: start over with `make clean-env`.')


def check_torch_pair(torch: str | None, torchvision: str | None) -> str | None:
    """Torch 2.n.k goes with torchvision 0.(n + 15).k, both of the same build (``+cpu``, ``+cu130``, none)."""
    if not torch or not torchvision:
        return None
    numbers, _, build = torch.partition('+')
    vision_numbers, _, vision_build = torchvision.partition('+')
    major, minor, patch = (int(number) for number in re.findall(r'\d+', numbers)[:3])
    expected = f'0.{minor + 15}.{patch}'
    if major != 2 or (vision_numbers == expected and build == vision_build):
        return None
    return (f'torch {torch} and torchvision {torchvision} in {VENV.name} do not belong together: with this torch goes '
            f'torchvision {expected} of the same build.')


def find_compiler(environ: Mapping[str, str], which: Callable[[str], str | None] = shutil.which) -> str | None:
    """Return the C++ compiler to use: ``$CXX`` if set, else the first common one."""
    candidates = [environ['CXX']] if environ.get('CXX') else ['c++', 'g++', 'clang++']
    return next((name for name in candidates if which(name.split()[0])), None)


@dataclass(frozen=True)
class Interpreter:
    """What the checks ask of the Python that .venv is or will be made of."""

    version: tuple[int, int]
    include: str
    has_ensurepip: bool


def this_interpreter() -> Interpreter:
    return Interpreter(tuple(sys.version_info[:2]), sysconfig.get_path('include'),
                       importlib.util.find_spec('ensurepip') is not None)


def interpreter_problems(python: Interpreter) -> list[str]:
    """Return what keeps this Python from carrying the environment."""
    return [problem for problem in (
        check_python(python.version, FAMILY),
        check_venv_module(python.has_ensurepip, python.version),
        check_headers(python.include, python.version),
    ) if problem]


def preflight(python: Interpreter, installed: Mapping[str, str], needs_compiling: bool) -> list[str]:
    """Return what would make the set-up fail, before minutes are spent on it."""
    problems = [check_python(python.version, FAMILY), check_same_python(python.version, venv_version(VENV)),
                check_venv_module(python.has_ensurepip, python.version), check_families(installed, FAMILY)]
    if needs_compiling:
        problems += [check_compiler(find_compiler(os.environ)), check_headers(python.include, python.version)]
    # The space is asked for where the environment will lie; most of it goes to torch and its CUDA libraries.
    needed = 1 if 'torch' in installed else FREE_GB_NEEDED
    problems.append(check_disk(shutil.disk_usage(ROOT).free, needed, VENV.name))
    return [problem for problem in problems if problem]


# --- Running commands: a log file, a line that moves, the end of the log on failure -----------------------------------


def clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    return f'{minutes}:{seconds:02d}'


def ninja_progress(line: str) -> tuple[int, int] | None:
    """Return (done, of) from one of ninja's ``[12/78] c++ ...`` lines."""
    found = re.match(r'\s*\[(\d+)/(\d+)\] ', line)
    return (int(found.group(1)), int(found.group(2))) if found else None


def progress_text(name: str, done: int, total: int, compiled_before: int, elapsed: float, since_first: float) -> str:
    """Return the line that shows how far compiling is; files that an earlier run compiled count as done.

    Args:
        name: What is being compiled.
        done: Files compiled by this run.
        total: Files that this run has to compile.
        compiled_before: Files that an interrupted run had compiled already.
        elapsed: Seconds since this run began.
        since_first: Seconds since the compiler began; the remaining time is estimated from these.
    """
    of = total + compiled_before
    now = done + compiled_before
    text = f'{name}: {now} of {of} files, {100 * now // of} %, {clock(elapsed)} elapsed'
    if done and done < total:
        text += f', about {clock(since_first / done * (total - done))} left'
    return text


class Ticker:
    """Shows that a command is alive: one line that is rewritten on a terminal, a line every 30 s elsewhere."""

    def __init__(self, name: str, compiled_before: int = 0, stream=None) -> None:
        self.name = name
        self.compiled_before = compiled_before
        self.stream = stream or sys.stdout
        self.is_terminal = self.stream.isatty()
        self.begin = time.monotonic()
        self.compiler_begin = self.begin
        self.count: tuple[int, int] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def see(self, line: str) -> None:
        """Take one line of the command's output."""
        count = ninja_progress(line)
        if count:
            self.count = count
        elif self.count is None:
            self.compiler_begin = time.monotonic()

    def text(self) -> str:
        now = time.monotonic()
        if self.count is None:
            return f'{self.name}: {clock(now - self.begin)} elapsed'
        return progress_text(self.name, *self.count, self.compiled_before, now - self.begin, now - self.compiler_begin)

    def _run(self) -> None:
        while not self._stop.wait(1 if self.is_terminal else SECONDS_BETWEEN_PLAIN_LINES):
            if self.is_terminal:
                self.stream.write(f'\r\033[K  {self.text()}')
            else:
                self.stream.write(f'  {self.text()}\n')
            self.stream.flush()

    def __enter__(self) -> 'Ticker':
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()
        if self.is_terminal:
            self.stream.write('\r\033[K')
            self.stream.flush()


def run(command: list[str], log: Path, env: Mapping[str, str], ticker: Ticker | None = None, keep_open=()) -> None:
    """Run a command with its output in ``log``; a failure is a SetupError that shows the log's last 30 lines.

    Ctrl-C reaches the command as well, since it stays in our process group; what it had finished stays on the disk.
    """
    last = deque(maxlen=30)
    with log.open('a', buffering=1) as file:
        file.write(f'$ {" ".join(command)}\n')
        process = subprocess.Popen(command, cwd=ROOT, env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, errors='replace', pass_fds=keep_open)
        try:
            for line in process.stdout:
                file.write(line)
                last.append(line)
                if ticker:
                    ticker.see(line)
            code = process.wait()
        except BaseException:
            process.terminate()
            process.stdout.close()
            process.wait()
            raise
    if code:
        raise SetupError(f'failed with exit code {code}: {" ".join(command)}\n\n{"".join(last)}\n'
                         f'The whole output is in {log.relative_to(ROOT)}. '
                         f'After the cause is removed, the same command goes on where this one stopped.')


# --- Settings for uv and for the compiler -----------------------------------------------------------------------------


def uv_settings(pip_config: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return environment variables that make uv use the package source that pip is told to use.

    uv does not read pip's settings. A replaced index, the absence of any, and a certificate are handed on; sources that
    pip looks at in addition are not, since torch and torchvision must come from one place.

    Args:
        pip_config: Output of ``pip config list``.
        environ: The environment; what the user has set for uv wins.
    """
    values = {}
    for line in pip_config.splitlines():
        key, _, value = line.partition('=')
        with contextlib.suppress(ValueError, SyntaxError):
            values[key.partition('.')[2] or key] = ast.literal_eval(value)
    settings = {}
    if values.get('index-url') and not {'UV_DEFAULT_INDEX', 'UV_INDEX_URL'} & set(environ):
        settings['UV_DEFAULT_INDEX'] = values['index-url']
    if str(values.get('no-index', '')).lower() in ('1', 'true', 'yes') and 'UV_FIND_LINKS' not in environ:
        settings['UV_NO_INDEX'] = '1'
        settings['UV_FIND_LINKS'] = ','.join(str(values.get('find-links', '')).split())
    if values.get('cert') and 'SSL_CERT_FILE' not in environ:
        settings['SSL_CERT_FILE'] = values['cert']
    return settings


def compile_jobs(cores: int, memory_bytes: int, environ: Mapping[str, str]) -> int:
    """Return how many compilers run at once: one per core, as far as the memory goes; ``$MAX_JOBS`` wins."""
    if environ.get('MAX_JOBS', '').isdigit():
        return max(1, int(environ['MAX_JOBS']))
    return max(1, min(cores, int(memory_bytes / GIB / GB_PER_COMPILER)))


def ops_kind(cuda_visible: bool, torch_cuda: str | None, capability: str, nvcc: str | None, forced: bool) -> str:
    """Return ``'cpu'`` or ``'cuda<version>-sm<capability>'``: which operators this machine can compile.

    mmcv's setup compiles for CUDA where torch sees a GPU, and fails where nvcc is then missing or of another major
    version than torch's CUDA. In that case the operators are compiled for the CPU.

    Args:
        cuda_visible: Whether torch sees a GPU.
        torch_cuda: CUDA version that torch was built with.
        capability: Compute capability of the visible GPUs, ``'90'``.
        nvcc: Version of the CUDA compiler, None without one.
        forced: Whether ``FORCE_CUDA=1`` asks for CUDA operators without a GPU.
    """
    if not (cuda_visible or forced) or not torch_cuda or not nvcc:
        return 'cpu'
    if nvcc.split('.')[0] != torch_cuda.split('.')[0]:
        return 'cpu'
    return f'cuda{torch_cuda}-sm{capability or "any"}'


PROBE = """
import json, os, re, subprocess, sys, torch
from torch.utils.cpp_extension import CUDA_HOME
nvcc = None
try:
    text = subprocess.run([os.path.join(CUDA_HOME or '', 'bin', 'nvcc'), '--version'], capture_output=True, text=True)
    nvcc = re.search(r'release ([0-9.]+)', text.stdout).group(1)
except (OSError, AttributeError):
    pass
visible = torch.cuda.is_available()
capabilities = sorted({'%d%d' % torch.cuda.get_device_capability(i) for i in range(torch.cuda.device_count())})
print(json.dumps(dict(python='cp%d%d' % sys.version_info[:2], torch=torch.__version__, torch_cuda=torch.version.cuda,
                      cuda_visible=visible, capability='-'.join(capabilities if visible else []), nvcc=nvcc)))
"""


@dataclass(frozen=True)
class Target:
    """What compiled operators depend on."""

    python: str
    torch: str
    kind: str

    @property
    def folder(self) -> str:
        return f'{self.python}-torch{self.torch}-{self.kind}'


def user_cache(environ: Mapping[str, str]) -> Path:
    """Return the folder for wheels that all checkouts of this user share."""
    base = environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'se_backbones' / 'wheels'


def find_wheel(folder: Path, name: str, version: str) -> Path | None:
    """Return the intact wheel of this version in a folder, or None."""
    for wheel in sorted(folder.glob(f'{name.replace("-", "_")}-{version}-*.whl')):
        with contextlib.suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(wheel) as archive:
            if archive.testzip() is None:
                return wheel
    return None


def store_wheel(wheel: Path, folder: Path) -> None:
    """Copy a wheel into the cache so that a reader never sees a part of it. The cache is a convenience: no error."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f'.{wheel.name}.{os.getpid()}'
        shutil.copyfile(wheel, part)
        os.replace(part, folder / wheel.name)
    except OSError as error:
        print(f'  not kept for other checkouts: {error}')


def unpack_source(archive: Path, target: Path) -> None:
    """Unpack a source archive to ``target``, which exists only when all of it is there."""
    part = target.with_name(target.name + '.part')
    shutil.rmtree(part, ignore_errors=True)
    with tarfile.open(archive) as tar:
        # Python 3.11 has the filter since its fourth patch release.
        tar.extractall(part, **({'filter': 'data'} if hasattr(tarfile, 'data_filter') else {}))
    (inner,) = part.iterdir()
    inner.rename(target)
    part.rmdir()


# --- The steps --------------------------------------------------------------------------------------------------------


def requirement(name: str) -> str:
    """Return the path, from the project's folder, of a requirement file: the family's own, else that of all."""
    own = f'requirements/{FAMILY.name}/{name}.txt'
    return own if (ROOT / own).exists() else f'requirements/{name}.txt'


@dataclass
class Workplace:
    """What the steps share: the environment for commands, and the lock that commands keep open."""

    env: dict[str, str]
    lock: int
    installed: dict[str, str] = field(default_factory=dict)
    rebuild_mmcv: bool = False

    def run(self, step: str, command: list[str], name: str = '', compiled_before: int = 0, **env: str) -> None:
        log = VENV / 'logs' / f'{step}.log'
        with Ticker(name or step, compiled_before) as ticker:
            run([str(part) for part in command], log, {**self.env, **env}, ticker, keep_open=(self.lock,))

    def pip(self, step: str, *arguments) -> None:
        self.run(step, [VENV_PYTHON, '-m', 'pip', *arguments])

    def uv(self, step: str, *arguments) -> None:
        """Install with uv, at the measured versions and with one headless OpenCV."""
        self.run(step, [VENV / 'bin' / 'uv', 'pip', 'install', '--python', VENV_PYTHON,
                        '--constraint', requirement('constraints'), '--override', requirement('overrides'),
                        # A wheel of mmcv from uv's own cache may have been compiled for another torch.
                        '--only-binary', FAMILY.mmcv, *arguments])


@dataclass(frozen=True)
class Step:
    """One part of the set-up, done when its stamp is that of its files and its pins are installed."""

    name: str
    what: str
    takes: str
    run: Callable[[Workplace], None]
    files: tuple[str, ...] = ()

    def digest(self, python: tuple[int, int]) -> str:
        parts = [str(SCRIPT_VERSION), str(python)]
        parts += [(ROOT / file).read_text() for file in self.files]
        return hashlib.sha256('\0'.join(parts).encode()).hexdigest()

    @property
    def stamp(self) -> Path:
        return VENV / 'stamps' / self.name

    def is_done(self, python: tuple[int, int], installed: Mapping[str, str]) -> bool:
        with contextlib.suppress(OSError):
            if self.stamp.read_text() == self.digest(python):
                pins = ''.join((ROOT / file).read_text() for file in self.files
                               if file.startswith('requirements/') and not file.endswith('constraints.txt'))
                return not unmet_pins(pinned(pins), installed)
        return False

    def mark_done(self, python: tuple[int, int]) -> None:
        self.stamp.parent.mkdir(exist_ok=True)
        self.stamp.write_text(self.digest(python))


def starts(python: Path) -> bool:
    """Whether an interpreter runs at all; its own files may be gone after an upgrade of the system."""
    try:
        return subprocess.run([python, '-c', 'pass'], capture_output=True).returncode == 0
    except OSError:
        return False


def make_venv(work: Workplace) -> None:
    if starts(VENV_PYTHON):
        if 'pip' not in work.installed:
            work.run('venv', [VENV_PYTHON, '-m', 'ensurepip'])
        return
    # Links to an interpreter that has gone would be kept.
    for link in (VENV / 'bin').glob('python*'):
        link.unlink()
    work.run('venv', [sys.executable, '-m', 'venv', VENV])


def install_uv(work: Workplace) -> None:
    work.pip('uv', 'install', '--disable-pip-version-check', '-r', requirement('uv'))


def install_torch(work: Workplace) -> None:
    mismatch = check_torch_pair(work.installed.get('torch'), work.installed.get('torchvision'))
    again = ()
    if mismatch:
        print(f'  {mismatch} Both are installed again.')
        again = ('--reinstall-package', 'torch', '--reinstall-package', 'torchvision')
    work.uv('torch', *again, '-r', requirement('torch'))
    work.run('torch', [VENV_PYTHON, '-c', 'import torchvision.ops'], 'importing torchvision')


def install_build_tools(work: Workplace) -> None:
    work.uv('build-tools', '-r', requirement('build'))


def probe_target(env: Mapping[str, str]) -> Target:
    """Ask the installed torch what operators would be compiled for."""
    answer = subprocess.run([VENV_PYTHON, '-W', 'ignore', '-c', PROBE], env=dict(env), capture_output=True, text=True)
    if answer.returncode:
        raise SetupError(f'torch in {VENV.name} does not start:\n{answer.stderr}')
    facts = json.loads(answer.stdout.splitlines()[-1])
    kind = ops_kind(facts['cuda_visible'], facts['torch_cuda'], facts['capability'], facts['nvcc'],
                    env.get('FORCE_CUDA') == '1')
    if kind == 'cpu' and facts['cuda_visible']:
        print(f'  A GPU is here but no nvcc of CUDA {facts["torch_cuda"]} (found: {facts["nvcc"] or "none"}): mmcv\'s '
              f'operators are compiled for the CPU only. After installing it: tools/setup_env.py --rebuild-mmcv')
    return Target(facts['python'], facts['torch'], kind)


def jobs_here(environ: Mapping[str, str]) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
    return compile_jobs(cores, os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES'), environ)


def build_environment(target: Target, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the compilation of mmcv finds in its environment beside the user's own variables."""
    env = {'MAX_JOBS': str(jobs_here(environ)),
           'PATH': f'{VENV / "bin"}{os.pathsep}{environ.get("PATH", os.defpath)}'}
    compiler = find_compiler(environ)
    if compiler not in (None, 'c++'):
        env['CXX'] = compiler
    if target.kind == 'cpu':
        env.update(CUDA_VISIBLE_DEVICES='', FORCE_CUDA='0')
    return env


def build_mmcv(work: Workplace, version: str, target: Target) -> Path:
    """Compile mmcv's wheel. Its source and objects stay in the environment until it is done, so ninja can resume."""
    # Objects that were compiled for another torch must not be taken up: one folder for each target.
    folder = VENV / 'build' / target.folder
    source = folder / f'{FAMILY.mmcv.replace("-", "_")}-{version}'
    if work.rebuild_mmcv:
        shutil.rmtree(folder, ignore_errors=True)
    if wheel := find_wheel(folder, FAMILY.mmcv, version):
        return wheel
    extra = build_environment(target, work.env)
    if not source.exists():
        folder.mkdir(parents=True, exist_ok=True)
        work.run('mmcv', [VENV_PYTHON, '-m', 'pip', 'download', '--no-deps', '--no-binary', FAMILY.mmcv,
                          '--no-build-isolation', f'{FAMILY.mmcv}=={version}', '-d', folder], 'fetching mmcv', **extra)
        archive = next(folder.glob(f'{FAMILY.mmcv.replace("-", "[-_]")}-{version}.tar.gz'), None)
        if archive is None:
            raise SetupError(f'pip fetched no source archive of {FAMILY.mmcv} {version} into '
                             f'{folder.relative_to(ROOT)}.')
        unpack_source(archive, source)
    before = sum(1 for _ in source.glob('build/temp*/**/*.o'))
    if before:
        print(f'  going on with the {before} files that an earlier run compiled')
    work.run('mmcv', [VENV_PYTHON, '-m', 'pip', 'wheel', '-v', '--no-deps', '--no-build-isolation', source,
                      '-w', folder], 'compiling mmcv', before, **extra)
    wheel = find_wheel(folder, FAMILY.mmcv, version)
    if wheel is None:
        raise SetupError(f'pip left no wheel of {FAMILY.mmcv} in {folder.relative_to(ROOT)}.')
    return wheel


def mmcv_error(work: Workplace) -> str:
    """Return why mmcv's operators do not load, or nothing; they do not if they were compiled for another torch."""
    answer = subprocess.run([VENV_PYTHON, '-W', 'ignore', '-c', 'import mmcv.ops'], env=work.env, text=True,
                            capture_output=True)
    return answer.stderr.strip().splitlines()[-1] if answer.returncode else ''


def needs_compiling(installed: Mapping[str, str], python: Interpreter, environ: Mapping[str, str]) -> bool:
    """Whether a C++ compiler will be needed. Before torch is there, a cached wheel for any build of it counts."""
    version = pinned((ROOT / requirement('mmcv')).read_text())[FAMILY.mmcv]
    if not unmet_pins({FAMILY.mmcv: version}, installed):
        return False
    torch = pinned((ROOT / requirement('torch')).read_text())['torch']
    folders = user_cache(environ).glob(f'cp{python.version[0]}{python.version[1]}-torch{torch}*')
    return not any(find_wheel(folder, FAMILY.mmcv, version) for folder in folders)


def target_file() -> Path:
    """What the installed mmcv was compiled for."""
    return VENV / 'stamps' / 'mmcv-target'


def mmcv_can_stay(work: Workplace, version: str, target: Target) -> bool:
    """Whether the installed mmcv was compiled for this target; without a record of that, whether it loads."""
    if work.installed.get(FAMILY.mmcv) != version:
        return False
    recorded = target_file().read_text() if target_file().exists() else target.folder
    return recorded == target.folder and not mmcv_error(work)


def hand_over_build(version: str, target: Target, cache: Path) -> None:
    """Move a wheel that this checkout compiled, and that works, into the cache; its objects are no longer needed."""
    wheel = find_wheel(VENV / 'build' / target.folder, FAMILY.mmcv, version)
    if wheel:
        store_wheel(wheel, cache)
    shutil.rmtree(VENV / 'build', ignore_errors=True)


def install_mmcv(work: Workplace) -> None:
    pins = pinned((ROOT / requirement('mmcv')).read_text())
    version = pins.pop(FAMILY.mmcv)
    # mmcv imports OpenCV and mmengine, so they come first.
    work.uv('mmcv', *(f'{name}=={pin}' for name, pin in pins.items()))
    target = probe_target(work.env)
    cache = user_cache(work.env) / target.folder
    if not work.rebuild_mmcv and mmcv_can_stay(work, version, target):
        print('  the installed mmcv was compiled for this torch and stays')
        target_file().write_text(target.folder)
        hand_over_build(version, target, cache)
        return
    wheel = None if work.rebuild_mmcv else find_wheel(cache, FAMILY.mmcv, version)
    if wheel:
        print(f'  taking the wheel that was compiled before, from {cache}')
    else:
        wheel = build_mmcv(work, version, target)
    work.uv('mmcv', '--reinstall-package', FAMILY.mmcv, wheel)
    error = mmcv_error(work)
    if error:
        raise SetupError(f"mmcv's operators do not load: {error}\nThe wheel was {wheel}. Compile it again: "
                         f'{VENV_PYTHON.relative_to(ROOT)} tools/setup_env.py --rebuild-mmcv')
    target_file().write_text(target.folder)
    hand_over_build(version, target, cache)


def install_hosts(work: Workplace) -> None:
    work.uv(FAMILY.name, '-r', requirement(FAMILY.name))


def other_opencvs(installed: Mapping[str, str]) -> list[str]:
    """Return the installed builds of OpenCV that need display libraries."""
    return [name for name in ('opencv-python', 'opencv-contrib-python') if name in installed]


def install_rest(work: Workplace) -> None:
    work.uv('rest', '-r', requirement('runtime'), '-r', requirement('dev'))
    others = other_opencvs(work.installed)
    if others:
        # They share the folder cv2 with the headless build, whose files go with them.
        work.run('rest', [VENV / 'bin' / 'uv', 'pip', 'uninstall', '--python', VENV_PYTHON, *others])
        work.uv('rest', '--reinstall-package', 'opencv-python-headless', 'opencv-python-headless')


def install_docs(work: Workplace) -> None:
    work.uv('docs', '-r', requirement('docs'))


def install_export(work: Workplace) -> None:
    work.uv('export', '-r', requirement('export'))


def install_package(work: Workplace) -> None:
    work.uv('package', '--no-deps', '--no-build-isolation', '--editable', '.')


def make_steps() -> dict[str, Step]:
    """Return the steps of the family that is set up, by name."""
    def files(*names: str) -> tuple[str, ...]:
        return tuple(map(requirement, names))
    return {step.name: step for step in (
        Step('venv', f'making {VENV.name}', '5 s', make_venv),
        Step('uv', 'installing uv, which installs the rest', '5 s', install_uv, files('uv')),
        Step('torch', 'installing torch and torchvision (3 GB to fetch)', '20 s to some minutes', install_torch,
             files('torch', 'constraints', 'overrides')),
        Step('build-tools', 'installing what compiling needs', '5 s', install_build_tools,
             files('build', 'constraints', 'overrides')),
        Step('mmcv', 'installing mmcv, whose operators are compiled once on each machine',
             f'{-(-CPU_MINUTES_OF_MMCV // jobs_here(os.environ))} minutes if they have to be', install_mmcv,
             files('mmcv', 'torch')),
        Step(FAMILY.name, 'installing mmdet, mmpretrain and mmseg', '20 s', install_hosts,
             files(FAMILY.name, 'constraints', 'overrides')),
        Step('rest', 'installing the other packages', '10 s', install_rest,
             files('runtime', 'dev', 'constraints', 'overrides')),
        Step('docs', 'installing what builds the documentation', '10 s', install_docs,
             files('docs', 'constraints', 'overrides')),
        Step('export', 'installing what exported networks are written and run with', '5 s', install_export,
             files('export', 'constraints', 'overrides')),
        Step('package', 'installing se_backbones, editable', '5 s', install_package,
             ('setup.py', 'pyproject.toml', 'se_backbones/version.py')),
    )}


STEPS = make_steps()


def set_up_in(family: Family, folder: str) -> None:
    """Make this family and environment the ones that the functions of this file speak of."""
    global FAMILY, VENV, VENV_PYTHON, STEPS
    FAMILY = family
    VENV = ROOT / folder
    VENV_PYTHON = VENV / 'bin' / 'python'
    STEPS = make_steps()


def pending_steps(installed: Mapping[str, str]) -> list[Step]:
    python = venv_version(VENV)
    if python is None or not VENV_PYTHON.exists():
        return list(STEPS.values())
    broken = set()
    if check_torch_pair(installed.get('torch'), installed.get('torchvision')):
        broken.add('torch')
    if other_opencvs(installed):
        broken.add('rest')
    if 'se-backbones' not in installed:
        broken.add('package')
    return [step for step in STEPS.values() if step.name in broken or not step.is_done(python, installed)]


@contextlib.contextmanager
def only_one_setup():
    """Hold a lock that the running command inherits: a second set-up also waits for what a killed one left behind."""
    VENV.mkdir(exist_ok=True)
    with (VENV / 'setup.lock').open('w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f'Another set-up works on this {VENV.name}; waiting for it.', flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def command_environment() -> dict[str, str]:
    # An activated environment or a PYTHONPATH of the user's must not decide what goes into .venv.
    env = {key: value for key, value in os.environ.items() if key not in ('VIRTUAL_ENV', 'PYTHONPATH', 'PYTHONHOME')}
    config = subprocess.run([VENV_PYTHON if starts(VENV_PYTHON) else sys.executable, '-m', 'pip', 'config', 'list'],
                            env=env, capture_output=True, text=True).stdout
    return {**env, **uv_settings(config, env), 'PYTHONUNBUFFERED': '1'}


def run_steps(work: Workplace, steps: list[Step]) -> None:
    for number, step in enumerate(steps, 1):
        print(f'[{number}/{len(steps)}] {step.what} (about {step.takes})', flush=True)
        begin = time.monotonic()
        for folder in ('logs', 'stamps'):
            (VENV / folder).mkdir(parents=True, exist_ok=True)
        (VENV / 'logs' / f'{step.name}.log').unlink(missing_ok=True)
        work.installed = installed_versions(VENV)
        step.run(work)
        step.mark_done(venv_version(VENV))
        print(f'  done in {clock(time.monotonic() - begin)}', flush=True)


def set_up(rebuild_mmcv: bool) -> None:
    begin = time.monotonic()
    installed = installed_versions(VENV)
    python = this_interpreter()
    problems = preflight(python, installed, rebuild_mmcv or needs_compiling(installed, python, os.environ))
    if problems:
        raise SetupError('before anything was installed:\n' + '\n'.join(f'  - {problem}' for problem in problems))
    if not shutil.which('make'):
        print('Note: make is missing, and the verbs of the Makefile with it. Debian, Ubuntu: apt-get install make')
    with only_one_setup() as lock:
        # Another set-up may have finished while this one waited.
        pending = pending_steps(installed_versions(VENV))
        steps = [step for step in STEPS.values() if step in pending or (rebuild_mmcv and step.name == 'mmcv')]
        run_steps(Workplace(command_environment(), lock, rebuild_mmcv=rebuild_mmcv), steps)
    print(f'{VENV.name} is ready after {clock(time.monotonic() - begin)}. See what to do with it: make help')


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description='Set up .venv with the whole stack; does nothing if it is there.')
    parser.add_argument('--suits', action='store_true', help='only say, by the exit code, whether this Python will do')
    parser.add_argument('--rebuild-mmcv', action='store_true', help="compile mmcv's operators again")
    parser.add_argument('--family', choices=FAMILIES, default=ONEDL.name, help='which OpenMMLab packages; two families '
                        'share their import names (default: onedl, the maintained forks)')
    parser.add_argument('--venv', help="the environment's folder in the project's (default: .venv, or .venv-openmmlab)")
    args = parser.parse_args(argv)
    set_up_in(FAMILIES[args.family], args.venv or FAMILIES[args.family].venv)
    if args.suits:
        return 1 if interpreter_problems(this_interpreter()) else 0
    # SIGTERM, as a CI system sends it, ends like Ctrl-C: children are stopped and the next run resumes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        installed = installed_versions(VENV)
        odd = (check_same_python(tuple(sys.version_info[:2]), venv_version(VENV))
               or check_families(installed, FAMILY))
        if not odd and not args.rebuild_mmcv and not pending_steps(installed):
            print(f'{VENV.name} is up to date')
            return 0
        set_up(args.rebuild_mmcv)
    except SetupError as error:
        print(f'set-up failed: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\nInterrupted. The same command goes on where this one stopped.', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
