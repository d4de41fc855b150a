"""What is measured is what it is called: times, memory, agreement of networks."""

import gc
import weakref

import pytest
import torch
from torch import nn

from se_backbones.lab.benchmark.agreement import check_agreement
from se_backbones.lab.benchmark.charts import ratio_chart, scaling_chart
from se_backbones.lab.benchmark.memory import peak_bytes, saved_bytes
from se_backbones.lab.benchmark.networks import PEERS, Peer
from se_backbones.lab.benchmark.operators import COPY, NUM_CALLS, measure_operators
from se_backbones.lab.benchmark.runs import measure, step_of
from se_backbones.lab.benchmark.settings import Setting
from se_backbones.lab.benchmark.tables import network_rows, operator_rows, report
from se_backbones.lab.benchmark.timing import compare, interleaved


def test_each_round_calls_every_function_in_an_order_that_turns():
    calls, steps = [], []
    functions = {name: lambda name=name: calls.append(name) for name in 'abc'}
    times = interleaved(functions, 3, progress=lambda: steps.append(1))
    assert ''.join(calls) == 'abc' + 'abc' + 'bca' + 'cab'
    assert {name: len(seconds) for name, seconds in times.items()} == {'a': 3, 'b': 3, 'c': 3}
    assert len(steps) == 12


def test_the_ratio_is_that_of_the_medians_and_its_spread_that_of_the_rounds():
    assert compare([2.0, 4.0, 6.0], [1.0, 2.0, 4.0]) == dict(median_ms=4000.0, ratio=2.0, low=1.75, high=2.0)


def test_saved_bytes_are_those_of_maps_that_a_layer_keeps():
    net, images = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.Conv2d(4, 2, 1)), torch.randn(2, 3, 8, 8)
    # The output of the ReLU, for its own backward and as the input of the second convolution: one block of memory.
    assert saved_bytes(net, images) == 2 * 4 * 8 * 8 * 4


def test_counting_what_is_saved_keeps_nothing_of_it():
    class Watched(nn.ReLU):
        def forward(self, x):
            out = super().forward(x)
            made.append(weakref.ref(out.untyped_storage()))
            return out
    made, net = [], nn.Sequential(nn.Conv2d(3, 4, 1), Watched(), nn.Conv2d(4, 2, 1))
    gc.disable()
    try:
        saved_bytes(net, torch.randn(2, 3, 8, 8))
        assert len(made) == 1 and not any(ref() for ref in made)
    finally:
        gc.enable()


def test_the_peak_is_that_of_what_lives_at_the_same_time():
    def step():
        first = torch.ones(1 << 20)
        del first
        second = torch.ones(1 << 20)
        third = second + 1
        return third.sum().item()
    peak = peak_bytes(step)
    assert 2 * 4 * 2**20 <= peak < 2.1 * 4 * 2**20


def test_the_peak_of_a_training_step_holds_its_gradients_whatever_was_before():
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 512, 3), torch.nn.Conv2d(512, 512, 3))
    setting = Setting(phase='train', size=8, batch=1)
    step = step_of(net, torch.randn(1, 3, 8, 8), setting)
    first, second = peak_bytes(step), peak_bytes(step)
    parameters = sum(weight.nbytes for weight in net.parameters())
    assert parameters <= second and abs(first - second) < 0.01 * parameters


def test_networks_of_the_same_function_agree():
    check_agreement(['mmpretrain ResNet', 'timm seresnet50', 'ours GE theta E8'], size=32)


def test_networks_that_differ_are_not_timed(monkeypatch):
    peer = PEERS['torchvision resnet50']
    monkeypatch.setitem(PEERS, 'torchvision resnet50', Peer(peer.build, peer.layout, None, dict(style='caffe')))
    with pytest.raises(RuntimeError, match='torchvision resnet50 and ours differ by .* nothing is timed'):
        check_agreement(['torchvision resnet50'], size=32)


@pytest.fixture(scope='module')
def runs():
    names = ['ours plain', 'ours SE']
    return [measure(Setting(size=size, batch=2, rounds=1), names) for size in (32, 64)]


def test_a_run_has_time_and_memory_of_each_network_relative_to_the_first(runs):
    for run in runs:
        assert run['reference'] == 'ours plain' and list(run['networks']) == ['ours plain', 'ours SE']
        assert run['networks']['ours plain']['ratio'] == 1
        squeeze = run['networks']['ours SE']
        assert squeeze['median_ms'] == pytest.approx(1e3 * run['times']['ours SE'][0])
        assert 1 < squeeze['saved_ratio'] < 1.4  # small maps run plain


def test_folded_networks_are_timed_beside_the_others():
    names = ['ours plain', 'ours plain, folded']
    run = measure(Setting(phase='infer', size=32, batch=1, rounds=1), names)
    assert list(run['networks']) == names and 'saved_mib' not in run['networks']['ours plain']


def test_operators_are_compared_with_a_copy(monkeypatch):
    from se_backbones.lab.benchmark import operators
    monkeypatch.setattr(operators, 'MAPS', ((8, 8), (16, 4)))
    calls = []
    rows = measure_operators(2, torch.float32, False, 'cpu', 1, lambda: calls.append(1))
    assert len(rows) == len(calls) / 2 == NUM_CALLS / 2
    assert [row['of_copy'] for row in rows if row['name'] == COPY] == [1, 1]
    assert len(operator_rows(rows)[1]) == len(rows)


def test_results_are_tables_and_pictures(runs, tmp_path):
    columns, rows = network_rows(runs[0])
    assert len(columns) == len(rows[0]) == len(rows[1])
    environment = dict(device='a', threads=1, python='3', torch='2', se_backbones='0', tail='auto', revision='r')
    text = report(dict(environment=environment, runs=runs))
    assert text.count('| ours SE |') == 2 and '### Training step, 2 x 32 px, nchw' in text
    for draw, file in ((ratio_chart, tmp_path / 'bars.png'), (scaling_chart, tmp_path / 'scaling.png')):
        assert draw(runs, file).read_bytes().startswith(b'\x89PNG')
