"""``se-backbones doctor``: check this environment and say what to do about it.

Each check is a function that returns a :class:`Finding`; one that crashes becomes a finding too. The exit code is 1 if
something would fail and 0 otherwise: warnings do not fail.
"""

import argparse
import contextlib
import importlib
import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from se_backbones.mmcv_ext import install as mmcv_ext
from se_backbones.mmcv_ext.finder import NAME, is_compiled
from se_backbones.utils import openmmlab as hosts

OK, WARN, FAIL = 'ok', 'warn', 'fail'
OPENCV_NAMES = ('opencv-python', 'opencv-python-headless', 'opencv-contrib-python', 'opencv-contrib-python-headless')


@dataclass(frozen=True)
class Finding:
    """What one check found. ``remedy`` is empty where nothing has to be done."""

    name: str
    status: str
    detail: str
    remedy: str = ''


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: (2, 11, 0) of ``2.11.0+cu130``."""
    return tuple(int(number) for number in re.match(r'[\d.]*\d', version).group().split('.'))


def check_python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    text = '.'.join(map(str, version))
    if version[:2] in ((3, 11), (3, 12), (3, 13)):
        return Finding('Python', OK, text)
    return Finding('Python', FAIL, text, 'Use Python 3.11, 3.12 or 3.13.')


def check_family() -> Finding:
    """Exactly one family of host libraries: two overwrite each other's files."""
    installed = hosts.installed()
    listed = ', '.join(f'{host.distribution} {host.version}' for host in installed) or 'none installed'
    family = hosts.family()
    if family == 'both':
        return Finding('OpenMMLab family', FAIL, f'both families: {listed}',
                       'They overwrite each other. Uninstall all of them, then install one: '
                       f'pip uninstall {" ".join(host.distribution for host in installed)}')
    absent = [module for module in hosts.MODULES if module not in {host.module for host in installed}]
    missing = [module for module in absent if module not in hosts.OPTIONAL]
    if {'mmengine', 'mmcv'} & set(missing):
        return Finding('OpenMMLab family', FAIL, listed, hosts.INSTALL_HINT)
    if missing:
        purpose = ' and '.join({'mmdet': 'detection', 'mmpretrain': 'classification'}[module] for module in missing)
        names = ' '.join(hosts.DISTRIBUTIONS[family][module][0] for module in missing)
        return Finding('OpenMMLab family', WARN, f'{family}: {listed}', f'For {purpose}: pip install {names}')
    extras = ''.join(f'; no {module} (the extra [{hosts.OPTIONAL[module]}])' for module in absent)
    return Finding('OpenMMLab family', OK, f'{family}: {listed}{extras}')


def check_numpy() -> Finding:
    version = importlib.import_module('numpy').__version__
    if hosts.family() == 'openmmlab' and _numbers(version) >= (2,):
        return Finding('numpy', FAIL, f'{version}, beside the original OpenMMLab packages',
                       "They need numpy 1: pip install 'numpy<2'")
    return Finding('numpy', OK, version)


def check_torch_pair() -> Finding:
    """Torch 2.n.k goes with torchvision 0.(n + 15).k of the same build; importing both is the proof."""
    torch, vision = _version('torch'), _version('torchvision')
    remedy = 'Install both anew, in one command and from one place: pip install --force-reinstall torch torchvision'
    if torch is None or vision is None:
        return Finding('torch and torchvision', FAIL, f'torch {torch}, torchvision {vision}', remedy)
    try:
        importlib.import_module('torch')
        importlib.import_module('torchvision.ops')
    except Exception as error:
        return Finding('torch and torchvision', FAIL, f'{torch} and {vision}: {_one_line(error)}', remedy)
    numbers = _numbers(torch)
    expected = (0, numbers[1] + 15, *numbers[2:])
    if numbers[0] == 2 and _numbers(vision) != expected:
        return Finding('torch and torchvision', WARN, f'{torch} and {vision}; torchvision '
                       f'{".".join(map(str, expected))} was made for this torch', remedy)
    return Finding('torch and torchvision', OK, f'{torch} and {vision}')


def check_checkpoints() -> Finding:
    """mmengine before 0.10.8 leaves torch.load its default, which torch 2.6 changed to weights alone."""
    torch, engine = _version('torch'), next((host.version for host in hosts.installed() if host.module == 'mmengine'),
                                            None)
    if torch and engine and _numbers(torch) >= (2, 6) and _numbers(engine) < (0, 10, 8):
        return Finding('checkpoints', FAIL, f'mmengine {engine} cannot read with torch {torch} what it saves',
                       "Install an older torch, pip install 'torch<2.6' with its torchvision, or the maintained "
                       f'forks. {hosts.INSTALL_HINT}')
    return Finding('checkpoints', OK, f'mmengine {engine} reads what it saves with torch {torch}')


def _run_mmcv_ops(device: str) -> None:
    """Call the two operators that every two-stage detector calls."""
    torch = importlib.import_module('torch')
    ops = importlib.import_module('mmcv.ops')
    boxes = torch.tensor([[0., 0., 4., 4.], [0., 0., 4., 3.9], [2., 2., 7., 7.]], device=device)
    rois = torch.cat([boxes.new_zeros(3, 1), boxes], dim=1)
    align = ops.RoIAlign(output_size=2, spatial_scale=1.0, sampling_ratio=0)
    pooled = align(torch.ones(1, 1, 8, 8, device=device), rois)
    kept, _ = ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7], device=device), iou_threshold=0.5)
    if not torch.allclose(pooled, torch.ones_like(pooled)) or len(kept) != 2:
        raise RuntimeError('RoIAlign or NMS returns wrong numbers')


# Reinstalled so, mmcv is built where torch cannot be imported: without compiled operators.
UNCOMPILED = ('Let them run on torchvision: pip install --force-reinstall --no-deps {0}, then se-backbones mmcv '
              'install (in this repository: make setup COMPILE_MMCV=0)')


def _uncompiled() -> str:
    return UNCOMPILED.format('mmcv-lite' if hosts.family() == 'openmmlab' else 'onedl-mmcv')


def check_mmcv_ops() -> Finding:
    """Which operators mmcv runs on, whether they do, and what is missing."""
    left = mmcv_ext.left_over()
    if left:
        return Finding('mmcv operators', FAIL, f'{left} was left behind by an mmcv that is gone',
                       'Remove it with se-backbones mmcv uninstall, and install mmcv again.')
    try:
        _run_mmcv_ops('cpu')
    except Exception as error:
        missing = getattr(error, 'name', None)
        if missing and not missing.startswith('mmcv'):
            return Finding('mmcv operators', FAIL, _one_line(error), f'mmcv needs {missing}: see the other findings.')
        remedy = hosts.INSTALL_HINT if missing == 'mmcv' else f'mmcv is damaged. {_uncompiled()}'
        return Finding('mmcv operators', FAIL, _one_line(error), remedy)
    if is_compiled(importlib.import_module(NAME)):
        return Finding('mmcv operators', OK, 'compiled; RoIAlign and NMS run on the CPU')
    names = ', '.join(importlib.import_module('se_backbones.mmcv_ext.operators').NAMES)
    detail = f'on torchvision: {names}; all others stop with an error'
    folder = mmcv_ext.mmcv_folder()
    if folder and mmcv_ext.compiled_file(folder):
        return Finding('mmcv operators', WARN, f'the compiled ones do not load; {detail}',
                       f"mmdet's own scripts still meet those. {_uncompiled()}")
    if folder and not (folder / '_ext.py').exists():
        return Finding('mmcv operators', WARN, detail, "Found since se_backbones was imported first. For mmdet's own "
                       'scripts: se-backbones mmcv install')
    return Finding('mmcv operators', OK, detail)


def check_gpu() -> Finding:
    """With a GPU, training runs there by default: mmcv's operators and Triton must be able to."""
    torch = importlib.import_module('torch')
    if not torch.cuda.is_available():
        if shutil.which('nvidia-smi'):
            return Finding('GPU', WARN, f'torch for CUDA {torch.version.cuda} sees none, but nvidia-smi is here',
                           'Look at CUDA_VISIBLE_DEVICES, and whether the driver is new enough for this CUDA version.')
        return Finding('GPU', OK, 'none; everything runs on the CPU')
    name = torch.cuda.get_device_name(0)
    try:
        _run_mmcv_ops('cuda')
    except Exception as error:
        remedy = (_uncompiled() if is_compiled(importlib.import_module(NAME)) else
                  'Install torch and torchvision anew, of one build and for this GPU.')
        return Finding('GPU', FAIL, f'{name}, but mmcv has no operators for it: {_one_line(error)}', remedy)
    return Finding('GPU', OK, f'{name}, CUDA {torch.version.cuda}')


def check_tail() -> Finding:
    """Which way residual units with an operator end, and whether the GPU's kernels for it run."""
    torch = importlib.import_module('torch')
    tail = importlib.import_module('se_backbones.ops.residual_tail')
    try:
        with _quiet():
            asked = tail.choice()
    except ValueError as error:
        return Finding('residual tail', FAIL, str(error), f'unset {tail.VARIABLE}')
    if asked == 'plain':
        return Finding('residual tail', OK, f'plain, as {tail.VARIABLE}=plain')
    if not torch.cuda.is_available():
        return Finding('residual tail', OK, f'{asked}: fused on the CPU')
    for dtype in (torch.float32, torch.float16, torch.bfloat16):
        if reason := tail.why_not_triton(torch.device('cuda', 0), dtype):
            return Finding('residual tail', WARN, f'{asked}, but plain on the GPU: {reason}', 'Triton needs a C '
                           'compiler (Debian, Ubuntu: apt-get install gcc python3-dev) and a cache folder to write to.')
    return Finding('residual tail', OK, f'{asked}: fused on the CPU and on the GPU')


def check_setuptools() -> Finding:
    """mmengine imports distutils, which left Python in 3.12 and comes with setuptools; the originals want more."""
    version = _version('setuptools')
    try:
        importlib.import_module('distutils.errors')
    except ImportError:
        return Finding('setuptools', FAIL, f'no distutils, which mmengine imports (setuptools: {version})',
                       "pip install 'setuptools>=77,<81'")
    if hosts.family() == 'openmmlab':
        try:
            importlib.import_module('pkg_resources')
        except ImportError:
            return Finding('setuptools', FAIL, f'{version} has no pkg_resources, which mmengine 0.10.7 imports',
                           "pip install 'setuptools<70'")
    return Finding('setuptools', OK, f'{version}, distutils can be imported')


def check_opencv() -> Finding:
    found = [f'{name} {version}' for name in OPENCV_NAMES if (version := _version(name))]
    headless = f'pip uninstall {" ".join(OPENCV_NAMES)}, then pip install opencv-python-headless'
    try:
        cv2 = importlib.import_module('cv2')
    except ImportError as error:
        return Finding('OpenCV', FAIL, f'{", ".join(found) or "not installed"}: {_one_line(error)}',
                       f'A build without a display needs no system library: {headless}')
    if len(found) > 1:
        return Finding('OpenCV', WARN, f'{" and ".join(found)} share one folder; version {cv2.__version__} is loaded',
                       f'Keep one: {headless}')
    return Finding('OpenCV', OK, found[0] if found else cv2.__version__)


def check_export() -> Finding:
    """What formats can be exported: ONNX and torch.export want torch 2.6, ONNX three packages of its own."""
    torch = _version('torch')
    if torch and _numbers(torch) < (2, 6):
        return Finding('export', WARN,
                       f'TorchScript; ONNX and torch.export need torch 2.6 or later, and this is {torch}',
                       'For those two use the maintained forks of the OpenMMLab packages, which go with newer torch.')
    missing = [name for name in ('onnx', 'onnxscript', 'onnxruntime') if _version(name) is None]
    if missing:
        return Finding('export', OK, f'TorchScript and torch.export; no {", ".join(missing)} (the extra [export])')
    return Finding('export', OK, 'ONNX, TorchScript and torch.export')


def _is_writable(folder: Path) -> bool:
    """Whether files can be written into a folder, or it can be made."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def check_cache(environ: Mapping[str, str] = os.environ) -> Finding:
    """Downloaded weights go to SE_BACKBONES_HOME, or else to torch.hub's folder."""
    base = Path(environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    torch_home = Path(environ.get('TORCH_HOME') or base / 'torch')
    folder = Path(environ.get('SE_BACKBONES_HOME') or torch_home / 'hub' / 'checkpoints').expanduser()
    if not _is_writable(folder):
        return Finding('cache', WARN, f'{folder} is not writable',
                       'Weights cannot be kept there: set SE_BACKBONES_HOME to a folder of yours.')
    return Finding('cache', OK, str(folder))


@contextlib.contextmanager
def _quiet():
    """Leave out what networks log of themselves when they are built."""
    logger = importlib.import_module('mmengine.logging').MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('WARNING')
    try:
        yield
    finally:
        logger.setLevel(level)


def check_registry() -> Finding:
    """The name that users write in configs resolves, from mmengine's root registry, and builds."""
    remedy = ('Mend the failures above first. Then reinstall se_backbones (in the repository: make setup), and see '
              'whether a file or folder called se_backbones in the working directory hides it.')
    try:
        models = importlib.import_module('mmengine.registry').MODELS
        backbone = models.get('se_backbones.ResNet')
        if backbone is None:
            return Finding('registry', FAIL, 'mmengine does not find se_backbones.ResNet', remedy)
        with _quiet(), importlib.import_module('torch').device('meta'):
            backbone(depth=18, context=dict(op=dict(type='SqueezeExcite')))
    except Exception as error:
        return Finding('registry', FAIL, f'se_backbones.ResNet does not build: {_one_line(error)}', remedy)
    return Finding('registry', OK, 'se_backbones.ResNet resolves and builds')


CHECKS: tuple[Callable[[], Finding], ...] = (
    check_python, check_family, check_numpy, check_torch_pair, check_checkpoints, check_mmcv_ops, check_gpu,
    check_tail, check_setuptools, check_opencv, check_export, check_cache, check_registry)


def _one_line(error: BaseException) -> str:
    text = ' '.join(str(error).split())
    return f'{type(error).__name__}: {text[:200]}' if text else type(error).__name__


def examine(checks: tuple[Callable[[], Finding], ...] = CHECKS) -> list[Finding]:
    """Run the checks. One that crashes is a failure like any other, not a traceback."""
    findings = []
    for check in checks:
        try:
            findings.append(check())
        except Exception as error:
            name = check.__name__.removeprefix('check_').replace('_', ' ')
            findings.append(Finding(name, FAIL, f'the check itself crashed: {_one_line(error)}',
                                    'The packages that it checks are damaged: reinstall them.'))
    return findings


def plain_report(findings: list[Finding]) -> str:
    """Return one line for each finding, its remedy indented below."""
    lines = []
    for finding in findings:
        lines.append(f'{finding.status:<5} {finding.name}: {finding.detail}')
        if finding.remedy:
            lines.append(f'      -> {finding.remedy}')
    return '\n'.join(lines)


def print_report(findings: list[Finding]) -> None:
    """Print a table on a terminal and plain lines elsewhere, or where rich is missing."""
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
        console = Console()
    except ImportError:
        console = None
    if console is None or not console.is_terminal:
        print(plain_report(findings))
        return
    table = Table()
    for name in ('', 'What', 'Found', 'What to do'):
        table.add_column(name, overflow='fold')
    colours = {OK: 'green', WARN: 'yellow', FAIL: 'red'}
    for finding in findings:
        # Text, since details hold brackets that rich would read as markup: pip install 'se_backbones[onedl]'.
        table.add_row(Text(finding.status, colours[finding.status]), Text(finding.name), Text(finding.detail),
                      Text(finding.remedy))
    console.print(table)


def main(argv=None) -> int:
    argparse.ArgumentParser(description=__doc__.partition('\n')[0]).parse_args(argv)
    findings = examine()
    print_report(findings)
    failures = sum(finding.status == FAIL for finding in findings)
    warnings = sum(finding.status == WARN for finding in findings)
    print(f'{failures} would fail, {warnings} warnings, {len(findings)} checked')
    return 1 if failures else 0
