"""Every backbone computes what it did when the record was made, on each path of the code, and every config says it.

The record is written by ``python tests/golden/record.py``, which never overwrites without being told so.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
import record
from golden_networks import NETWORKS, RESIDUAL, Network, contexts

from se_backbones import registry

SETTINGS = list(contexts('resnet_basic'))
# Each residual network on the plain path, which the record was made on, on the one that is the default, and on the one
# that is fused for maps of any size, since the default is plain for maps as small as these.
CASES = [pytest.param(name, setting, choice, id=f'{name}-{setting}-{choice}')
         for name, network in NETWORKS.items() for setting in SETTINGS
         for choice in (('plain', 'auto', 'fused') if network.residual else ('auto',))]
CONFIGS = sorted({*record.config_names(), *record.config_record()})
# A map of the network's unit has as many values as the default path fuses on a CPU.
LARGE = Network(dict(type='se_backbones.WideResNet', depth=(1,), base_channels=16), (96, 64), (1,))
SE = dict(op=dict(type='SqueezeExcite', ratio=2))


@pytest.mark.parametrize(('name', 'setting', 'choice'), CASES)
def test_a_network_computes_what_is_recorded(name, setting, choice):
    recorded = record.record_of(name)
    assert setting in recorded, 'not in the record: python tests/golden/record.py'
    found = record.measured(NETWORKS[name], contexts(name)[setting], choice)
    lines = record.differences(found, recorded[setting])
    more = f'\n... and {len(lines) - 20} more' if len(lines) > 20 else ''
    assert not lines, f'{name}, {setting}, {record.TAIL}={choice}:\n' + '\n'.join(lines[:20]) + more


def test_the_default_path_is_fused_for_large_maps_and_computes_the_same():
    plain = record.rounded(record.measured(LARGE, SE, 'plain'))
    assert not record.differences(record.measured(LARGE, SE, 'auto'), plain)
    assert operations(LARGE, 'auto') != operations(LARGE, 'plain')


def test_small_maps_are_fused_where_the_environment_says_so():
    """Else the variable has another name, and all networks were compared with the plain path twice."""
    network = NETWORKS['resnet_basic']
    assert operations(network, 'fused') != operations(network, 'plain')


def operations(network, choice):
    """Return the names of the functions that autograd keeps for a network with SE."""
    with record.tail(choice):
        outputs = record.run(record.build(network, SE).train(), record.images_of(network))
    seen, waiting = set(), [output.grad_fn for output in outputs]
    while waiting:
        function = waiting.pop()
        if function is not None and function not in seen:
            seen.add(function)
            waiting += [following for following, _ in function.next_functions]
    return {function.name() for function in seen}


def test_every_backbone_and_every_slot_is_recorded():
    registry.MODELS.import_from_location()
    backbones = {name for name, cls in registry.MODELS.module_dict.items() if hasattr(cls, 'feature_info')}
    assert {*backbones, 'ResLayer'} == {network.cfg['type'].split('.')[1] for network in NETWORKS.values()}
    entries = [entry for name, network in NETWORKS.items() if network.residual
               for context in contexts(name).values() if context
               for entry in (context if isinstance(context, list) else [context])]
    slots = {(entry['op']['type'], entry.get('placement', 'standard')) for entry in entries}
    assert slots == {(kind, slot) for kind in ('SqueezeExcite', 'GatherExcite') for slot in RESIDUAL}
    assert any('stages' in entry for entry in entries)


def test_the_record_is_of_these_networks_and_small():
    files = sorted(record.RECORD.iterdir())
    assert [path.stem for path in files] == sorted([*NETWORKS, 'configs'])
    assert sum(path.stat().st_size for path in files) < 400_000


def test_two_threads_compute_what_one_does():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = record.measured(LARGE, SE, 'auto')
    finally:
        torch.set_num_threads(threads)
    assert not record.differences(found, record.rounded(record.measured(LARGE, SE, 'auto')))


@pytest.mark.parametrize('name', CONFIGS)
def test_a_config_says_what_is_recorded(name):
    recorded = record.config_record()
    assert name in recorded, 'a new config; python tests/golden/record.py adds it to the record'
    digest, *libraries = recorded[name]
    missing = [library for library in libraries if find_spec(library) is None]
    if missing:
        pytest.skip(f'it inherits configs of {", ".join(missing)}, which is not installed')
    assert (record.ROOT / name).is_file(), 'the config is gone'
    same = record.digest_of(record.load(record.ROOT / name)) == digest
    assert same, record.HINT.format(name)
