"""What narrow networks compute and what the configs say, as a record that later versions are held to.

    python tests/golden/record.py                       # compare with the record; write what it does not have yet
    python tests/golden/record.py --overwrite           # after a look at the differences: write them too
    python tests/golden/record.py --text configs/x.py   # what a config says, a value a line
    python tests/golden/record.py --diff configs/x.py   # what changed in it since the record was committed

Weights and images are a formula of their names, so that neither initialisers nor torch's random numbers are in it. A
tensor is kept as its product with a fixed random tensor: to change one of its values or to exchange two of them changes
that number. The record was made by the plain code of residual units; the fused code is held to the same numbers.
"""

import argparse
import difflib
import hashlib
import io
import json
import math
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import torch
from golden_networks import NETWORKS, Network, contexts
from mmengine.config import Config
from mmengine.registry import MODELS
from torch import Tensor, nn

ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).resolve().parent / 'record'
CONFIG_RECORD = RECORD / 'configs.json'
# Which code ends residual units: 'auto', 'plain' or 'fused'.
TAIL = 'SE_BACKBONES_TAIL'
# Relative to the norm of a tensor. Other orders of summation moved no number by more than 2e-12 of it (fused and plain
# code 1.3e-13, one thread and two 3e-13, torch without the vector instructions of the processor 1.6e-12) and the digits
# that are kept by 1.5e-10; a gate that is off by one millionth moves them by up to 1e-7.
TOLERANCE = 1e-9
MODES = ('train', 'eval')
IMAGES = 3
HINT = 'it says something else; what, shows: python tests/golden/record.py --diff {}'
WORDS = ('sum', 'sum of squares', *(f'projection {number}' for number in range(4)))


class Number(NamedTuple):
    """A number, and the size of what it was made of, which says what a difference means."""

    value: float
    scale: float


def drawn(name: str, shape: Iterable[int]) -> np.ndarray:
    """Return numbers of mean 0 and variance 1 that depend on the name and the shape alone.

    They are uniform, from a stream that numpy has frozen: no release of numpy and of the C library changes a bit.
    """
    shape = tuple(shape)
    stream = np.random.RandomState(np.random.PCG64(zlib.crc32(f'{name} {shape}'.encode())))
    return stream.uniform(-math.sqrt(3), math.sqrt(3), shape)


@cache
def direction(name: str, size: int) -> Tensor:
    return torch.from_numpy(drawn(name, (size,)))


@cache
def value_of(name: str, shape: tuple[int, ...]) -> Tensor:
    """Return what a tensor of the state dict holds, in a network as if trained.

    No norm is the identity, no gate is saturated, and no ReLU is zero everywhere: biases are positive.
    """
    numbers = torch.from_numpy(np.asarray(drawn(name, shape)))
    if name.endswith('num_batches_tracked'):
        return torch.tensor(7)
    if name.endswith('running_var') or (name.endswith('weight') and len(shape) == 1):
        return 1 + numbers / 4
    if name.endswith('bias'):
        return 1 / 2 + numbers / 4
    if len(shape) == 1:
        return numbers / 8
    return numbers / math.sqrt(math.prod(shape[1:])) / (4 if name.endswith('up.weight') else 1)


@contextmanager
def tail(choice: str) -> Iterator[None]:
    with mock.patch.dict(os.environ, {TAIL: choice}):
        yield


def build(network: Network, context: dict | list | None) -> nn.Module:
    """Build a network in float64, without dropout."""
    net = MODELS.build(dict(network.cfg, context=context)).double()
    for module in net.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return net


@torch.no_grad()
def fill(net: nn.Module) -> nn.Module:
    """Give a network the weights of :func:`value_of`."""
    for name, tensor in net.state_dict().items():
        tensor.copy_(value_of(name, tuple(tensor.shape)))
    return net


def images_of(network: Network) -> Tensor:
    return torch.from_numpy(drawn('images', (IMAGES, network.channels, *network.size)))


def run(net: nn.Module, images: Tensor) -> tuple[Tensor, ...]:
    torch.manual_seed(2)  # for stochastic depth and Shake-Shake's coefficients
    outputs = net(images)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def by_module(names: Iterable[str]) -> dict[str, list[str]]:
    """Return full names by the module that they belong to, in order."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.rpartition('.')[0], []).append(name)
    return found


def shape_of(tensor: Tensor) -> str:
    return 'x'.join(map(str, tensor.shape)) or '-'


def projected(name: str, tensors: list[Tensor]) -> Number:
    values = torch.cat([tensor.detach().flatten().double() for tensor in tensors])
    return Number(float(values @ direction(name, values.numel())), float(values.norm()))


def described(tensor: Tensor) -> list[Number]:
    """Return the numbers that ``WORDS`` names."""
    values = tensor.detach().flatten()
    norm = float(values.norm())
    return [Number(float(values.sum()), norm * math.sqrt(values.numel())), Number(float(values @ values), norm**2),
            *(projected(word, [values]) for word in WORDS[2:])]


def described_outputs(outputs: tuple[Tensor, ...]) -> list[list]:
    return [[shape_of(output), *described(output)] for output in outputs]


def gradients(net: nn.Module, names: list[str]) -> Number | None:
    """Return the gradients of parameters as one number; None where all are frozen."""
    found = [parameter.grad for parameter in map(net.get_parameter, names) if parameter.grad is not None]
    return projected('gradients', found) if found else None


def measured(network: Network, context: dict | list | None, choice: str = 'plain') -> dict[str, Any]:
    """Return keys, shapes and numbers of a network, as :func:`rounded` writes them into the record.

    ``modules`` has for each module with tensors a list: their names with their shapes, in the order of the state dict;
    their gradients in training and in eval mode; and its buffers after the training pass, where it has some.
    ``train`` and ``eval`` have the outputs and the gradient of the images, ``inference`` the outputs without autograd.

    Args:
        choice: Which code ends residual units, see ``TAIL``.
    """
    with tail(choice):
        net = build(network, context)
        state, parameters = net.state_dict(), dict(net.named_parameters())
        found: dict[str, Any] = dict(modules={
            owner: [' '.join(f'{name.rpartition(".")[2]} {shape_of(state[name])}' for name in names)]
            for owner, names in by_module(state).items()})
        for mode in MODES:
            fill(net).train(mode == 'train').zero_grad()
            images = images_of(network).requires_grad_()
            outputs = run(net, images)
            sum(output.flatten() @ direction('loss', output.numel()) / math.sqrt(output.numel())
                for output in outputs).backward()
            found[mode] = dict(outputs=described_outputs(outputs), input=described(images.grad))
            for owner, names in by_module(state).items():
                found['modules'][owner].append(gradients(net, [name for name in names if name in parameters]))
            if mode == 'train':
                statistics = {owner: projected('buffers', [net.get_buffer(name) for name in names])
                              for owner, names in by_module(dict(net.named_buffers())).items()}
        for owner, number in statistics.items():
            found['modules'][owner].append(number)
        with torch.no_grad():
            found['inference'] = dict(outputs=described_outputs(run(net, images_of(network))))
    return found


def rounded(node: Any) -> Any:
    """Return the numbers of :func:`measured` without their scales, with 11 digits: an error far below the tolerance."""
    if isinstance(node, Number):
        return float(f'{node.value:.11g}')
    if isinstance(node, dict):
        # Without autograd it is the same function: that is compared, not kept.
        return {key: rounded(value) for key, value in node.items() if key != 'inference'}
    return [rounded(value) for value in node] if isinstance(node, list) else node


def differences(found: dict[str, Any], recorded: dict[str, Any]) -> list[str]:
    """Return sentences on what :func:`measured` found and the record has otherwise; near the first one is the cause.

    Where keys differ there is nothing else, as weights are a formula of their keys.
    """
    keys, recorded_keys = _keys(found), _keys(recorded)
    lines = [f'{key} {shape} is missing' for key, shape in recorded_keys.items() if key not in keys]
    lines += [f'{key} {shape} is new' for key, shape in keys.items() if key not in recorded_keys]
    lines += [f'{key} has shape {shape}, was {recorded_keys[key]}' for key, shape in keys.items()
              if recorded_keys.get(key, shape) != shape]
    if lines:
        return lines
    for key, recorded_key in zip(keys, recorded_keys):
        if key != recorded_key:
            return [f'the order of the state dict: {key} is where {recorded_key} was']
    numbers = dict(_flat(recorded | dict(inference=dict(outputs=recorded['eval']['outputs']))))
    found_numbers = dict(_flat(found))
    lines = [f'{label} is gone' for label in numbers if label not in found_numbers]
    return lines + [line for label, number in found_numbers.items() if (line := _difference(
        label, number, numbers.get(label)))]


def _keys(entry: dict[str, Any]) -> dict[str, str]:
    """Return the keys of the state dict with their shapes."""
    found = {}
    for owner, (tensors, *_) in entry['modules'].items():
        words = tensors.split()
        found.update({f'{owner}.{part}': shape for part, shape in zip(words[::2], words[1::2])})
    return found


def _flat(entry: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what an entry holds with labels, in the order in which a network computes it."""
    modules = entry['modules']
    for owner, (_, _, _, *buffers) in modules.items():
        if buffers:
            yield f'train: {owner}: running statistics', buffers[0]
    for mode in (*MODES, 'inference'):
        for number, (shape, *numbers) in enumerate(entry[mode]['outputs']):
            yield f'{mode}: output {number}: shape', shape
            for word, value in zip(WORDS, numbers):
                yield f'{mode}: output {number}: {word}', value
    for index, mode in enumerate(MODES):
        for owner, row in reversed(modules.items()):
            yield f'{mode}: {owner}: gradient', row[1 + index]
        for word, value in zip(WORDS, entry[mode]['input']):
            yield f'{mode}: gradient of the images: {word}', value


def _difference(label: str, found: Any, recorded: Any) -> str | None:
    if isinstance(found, Number) and isinstance(recorded, float):
        off = abs(found.value - recorded)
        if off <= TOLERANCE * found.scale:  # False for NaN
            return None
        return f'{label} is {found.value:.11g}, was {recorded:.11g}: off by {off / (found.scale or 1):.1e} of its norm'
    return None if found == recorded else f'{label} is {rounded(found)}, was {recorded}'


def record_of(name: str) -> dict[str, Any]:
    """Return the recorded entries of a network by setting; empty where there are none yet."""
    path = RECORD / f'{name}.json'
    entries = json.loads(path.read_text()) if path.is_file() else {}
    for entry in entries.values():
        for owner, row in entry['modules'].items():
            row[0] = entries['none']['modules'][owner][0] if row[0] is None else row[0]
    return entries


def shortened(entries: dict[str, Any]) -> dict[str, Any]:
    """Return entries as files have them: with None for the tensors that a module has without operators too."""
    plain = entries['none']['modules']
    return {setting: dict(entry, modules={
        owner: [None if setting != 'none' and owner in plain and plain[owner][0] == row[0] else row[0], *row[1:]]
        for owner, row in entry['modules'].items()}) for setting, entry in entries.items()}


def config_names() -> list[str]:
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / 'configs').rglob('*.py'))


_path_of_base = Config._get_cfg_path
# mmengine reads the metafiles of a whole library for each base in it: a third of a second.
_path_in_library = cache(lambda base: _path_of_base(base, ''))


def load(path: Path) -> Config:
    """Load a config, looking up each base in another library once."""
    def path_of_base(base: str, config: str) -> tuple[str, str | None]:
        return _path_in_library(base) if '::' in base else _path_of_base(base, config)
    with mock.patch.object(Config, '_get_cfg_path', staticmethod(path_of_base)):
        return Config.fromfile(path)


def text_of(cfg: Config) -> str:
    """Return what a config says once everything is inherited: a line for each value, sorted by its key.

    It is what ``Config.dump`` writes, without that one's layout, which takes a third of a second, and without the order
    of keys, which means nothing.
    """
    return ''.join(f'{line}\n' for line in sorted(_values(cfg.to_dict())))


def _values(node: Any, key: str = '') -> Iterator[str]:
    if isinstance(node, dict) and node:
        for name, value in node.items():
            yield from _values(value, f'{key}.{name}' if key else name)
    elif isinstance(node, (list, tuple)) and any(isinstance(value, (dict, list, tuple)) for value in node):
        opening, closing = '[]' if isinstance(node, list) else '()'
        for number, value in enumerate(node):
            yield from _values(value, f'{key}{opening}{number}{closing}')
    else:
        yield f'{key} = {node!r}'


def libraries_of(cfg: Config) -> list[str]:
    """Return the libraries that a config inherits files of."""
    return sorted(set(re.findall(r"""['"](mm[a-z]+)::""", cfg.text)))


def digest_of(cfg: Config) -> str:
    return hashlib.sha256(text_of(cfg).encode()).hexdigest()[:16]


def config_record() -> dict[str, list[str]]:
    """Return for each config its digest and the libraries that it inherits files of."""
    return json.loads(CONFIG_RECORD.read_text()) if CONFIG_RECORD.is_file() else {}


def changes_of(name: str) -> str:
    """Return how the text of a config differs from that at the commit of the record."""
    commit = _git('log', '-1', '--format=%H', '--', str(CONFIG_RECORD)).decode().strip()
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(_git('archive', commit, 'configs'))) as archive:
            archive.extractall(folder, filter='data')
        before = text_of(load(Path(folder) / name))
    after = text_of(load(ROOT / name))
    return ''.join(difflib.unified_diff(before.splitlines(True), after.splitlines(True), f'{name} at {commit[:8]}',
                                        name, n=0))


def _git(*arguments: str) -> bytes:
    return subprocess.run(['git', *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout


def write(path: Path, content: dict) -> None:
    """Write JSON with lists of plain values on one line each."""
    path.parent.mkdir(exist_ok=True)
    text = json.dumps(content, indent=0)
    path.write_text(re.sub(r'\[[^][{}]*\]', lambda plain: plain[0].replace('\n', ''), text) + '\n')


def compare_networks() -> tuple[dict[Path, dict], list[str]]:
    """Return the content of the networks' files as it would be now, and in which lines it differs from the record."""
    contents, lines = {}, []
    for name, network in NETWORKS.items():
        recorded, content = record_of(name), {}
        for setting, context in contexts(name).items():
            found = measured(network, context)
            content[setting] = rounded(found)
            if setting in recorded:
                changed = differences(found, recorded[setting])
                lines += [f'{name}, {setting}: {line}' for line in changed]
                if not changed:  # digits beyond the tolerance stay as they are
                    content[setting] = recorded[setting]
        lines += [f'{name}, {setting}: is gone' for setting in recorded if setting not in content]
        contents[RECORD / f'{name}.json'] = shortened(content)
    return contents, lines


def compare_configs() -> tuple[dict[str, list[str]], list[str]]:
    """Return the content of the configs' file as it would be now, and in which lines it differs from the record."""
    recorded, content = config_record(), {}
    for name in config_names():
        cfg = load(ROOT / name)
        content[name] = [digest_of(cfg), *libraries_of(cfg)]
    lines = [f'{name} is gone' for name in recorded if name not in content]
    return content, lines + [f'{name}: {HINT.format(name)}' for name in recorded
                             if content.get(name, recorded[name]) != recorded[name]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--overwrite', action='store_true')
    parser.add_argument('--text', metavar='CONFIG')
    parser.add_argument('--diff', metavar='CONFIG')
    args = parser.parse_args()
    if args.text or args.diff:
        print(text_of(load(ROOT / args.text)) if args.text else changes_of(args.diff), end='')
        return 0
    torch.set_num_threads(1)
    contents, lines = compare_networks()
    contents[CONFIG_RECORD], config_lines = compare_configs()
    lines += config_lines
    print('\n'.join(lines) or 'Nothing that is recorded has changed.')
    if lines and not args.overwrite:
        print(f'{len(lines)} differences. The record stays as it is; --overwrite writes what is computed now.')
        return 1
    for path, content in contents.items():
        write(path, content)
    for path in set(RECORD.glob('*.json')) - set(contents):
        path.unlink()
    print(f'{len(contents)} files, {sum(path.stat().st_size for path in contents) // 1024} KB, in {RECORD}.')
    return 0


if __name__ == '__main__':
    sys.exit(main())
