"""Whatever a file or a table holds, it is read or refused by the error that is documented, within little memory.

`make reliability` tries 17,000 inputs on each of the five readers, the suite one per cent of them.
"""

import resource

import pytest

pytestmark = pytest.mark.filterwarnings('ignore:Detected pickle protocol', 'ignore:.*overflow encountered',
                                        'ignore:Duplicate name')


@pytest.fixture(params=['Caffemodels', 'Prototxts', 'Safetensors', 'TorchFiles', 'KeyMaps'])
def reader(request, fuzzing, caffe, tmp_path):
    return getattr(fuzzing, request.param)(caffe, tmp_path)


def test_broken_input_is_read_or_refused(fuzzing, reader):
    outcomes = fuzzing.fuzz(reader, 170, seed=0)
    assert len(outcomes) > 1, f'the inputs try nothing: {outcomes}'


@pytest.mark.slow
def test_seventeen_thousand_broken_inputs(fuzzing, reader, record_property):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = fuzzing.fuzz(reader, 17_000, seed=1)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    named = ', '.join(f'{count} {name}' for name, count in sorted(outcomes.items()))
    record_property('reliability', dict(what=reader.what, tried=outcomes.total(), lost=0,
                                        note=f'{named}; {grown:.0f} MiB more memory at most'))
    assert outcomes.total() >= 17_000 and len(outcomes) > 1 and grown < 500
