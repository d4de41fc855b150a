"""Metadata of the package, and the copy of configs/, tools/ and model-index.yml into it (mim's ``.mim`` folder)."""

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

ROOT = Path(__file__).resolve().parent
MIM_SOURCES = ('configs', 'tools', 'model-index.yml')


def read_version() -> str:
    text = (ROOT / 'se_backbones' / 'version.py').read_text()
    return re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE).group(1)


def read_description() -> str:
    readme = ROOT / 'README.md'
    return readme.read_text() if readme.exists() else ''


def mim_files(root: Path) -> list[Path]:
    """Paths, relative to ``root``, of what goes into ``.mim``."""
    found = []
    for source in MIM_SOURCES:
        path = root / source
        files = path.rglob('*') if path.is_dir() else [path]
        found += [file for file in files if file.is_file() and '__pycache__' not in file.parts]
    return sorted(file.relative_to(root) for file in found)


def copy_mim_files(target: Path) -> None:
    # A fresh copy: a file that was deleted from the sources must not survive from an earlier build.
    shutil.rmtree(target, ignore_errors=True)
    for file in mim_files(ROOT):
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / file, target / file)


class BuildPy(build_py):
    """Copies ``.mim`` into the build folder. An editable install uses the repository's own folders: nothing to copy."""

    def mim_target(self) -> Path:
        return Path(self.build_lib) / 'se_backbones' / '.mim'

    def run(self):
        super().run()
        if not self.editable_mode:
            copy_mim_files(self.mim_target())

    def get_outputs(self, include_bytecode=1):
        outputs = super().get_outputs(include_bytecode)
        if self.editable_mode:
            return outputs
        return outputs + [str(self.mim_target() / file) for file in mim_files(ROOT)]


class Sdist(sdist):
    """Copies ``.mim`` into the release tree as well, for those who read an unpacked source archive as a package."""

    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        copy_mim_files(Path(base_dir) / 'se_backbones' / '.mim')


ONEDL = ['onedl-mmengine>=0.10.12', 'onedl-mmcv>=2.3.6', 'onedl-mmdetection>=3.5.1', 'onedl-mmpretrain>=1.3.6']
# The originals' last versions that accept each other; they need numpy 1 and the pkg_resources of an old setuptools.
# mmcv-lite is mmcv without compiled operators; a compiled mmcv==2.1.0 does as well.
OPENMMLAB = ['mmengine==0.10.7', 'mmcv-lite==2.1.0', 'mmdet==3.3.0', 'mmpretrain==1.2.0', 'numpy<2', 'setuptools<70']
# Beside [onedl]; with the originals it would mix the families.
SEG = ['onedl-mmsegmentation>=1.4.2']
# What only parts of the package need; se_backbones.utils.extras names the extra to those who lack it.
CAFFE = ['protobuf>=4.25']
DIGITS = ['scikit-learn']
# What mmengine writes scalars and images to, beside its own files.
TENSORBOARD = ['tensorboard']
WANDB = ['wandb']
MLFLOW = ['mlflow']
HUB = ['huggingface_hub>=0.26']
# Drawn predictions and videos, and the pages of reports.
VIZ = ['supervision>=0.31', 'matplotlib', 'jinja2']
EXPORT = ['onnx>=1.18', 'onnxruntime>=1.22', 'onnxscript>=0.5']

setup(
    name='se_backbones',
    version=read_version(),
    description='Squeeze-and-Excitation and Gather-Excite backbones for OpenMMLab, as an installable plugin',
    long_description=read_description(),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    keywords='computer vision, object detection, backbone, squeeze-and-excitation, gather-excite',
    classifiers=[
        'Development Status :: 4 - Beta',
        'Operating System :: POSIX :: Linux',
        'Programming Language :: Python :: 3.11',
        'Programming Language :: Python :: 3.12',
        'Programming Language :: Python :: 3.13',
    ],
    python_requires='>=3.11,<3.14',
    packages=find_packages(include=['se_backbones', 'se_backbones.*']),
    # Data files beside the modules, as far as MANIFEST.in takes them.
    include_package_data=True,
    # The two OpenMMLab families share import names: requiring either would install it over the other.
    # se_backbones.utils.openmmlab says at import what is missing.
    install_requires=['torch>=2.4', 'torchvision>=0.19', 'numpy', 'rich', 'safetensors'],
    extras_require={
        'onedl': ONEDL,
        'openmmlab': OPENMMLAB,
        'seg': SEG,
        'caffe': CAFFE,
        'digits': DIGITS,
        'demo': [*DIGITS, *VIZ],
        'viz': VIZ,
        'export': EXPORT,
        'hub': HUB,
        'tensorboard': TENSORBOARD,
        'wandb': WANDB,
        'mlflow': MLFLOW,
        'dev': ['codespell', 'hypothesis', 'import-linter', 'pre-commit', 'pytest', 'pytest-xdist', 'ruff', 'timm',
                *CAFFE, *DIGITS, *EXPORT, *HUB, *VIZ],
    },
    entry_points=dict(console_scripts=['se-backbones = se_backbones.cli:main']),
    cmdclass={'build_py': BuildPy, 'sdist': Sdist},
    zip_safe=False,
)
