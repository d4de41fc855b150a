"""Ours return what the compiled operators returned (``record.py``): bit for bit where no sum has another order."""

from pathlib import Path

import numpy as np
import pytest

from helpers import load_module

RECORD = np.load(Path(__file__).with_name('compiled.npz'))
# Sums over a window or a batch have another order in torchvision.
ANOTHER_ORDER = ('deform_conv', 'modulated_deform_conv')


@pytest.fixture(scope='module')
def cases():
    return load_module(Path(__file__).with_name('cases.py'))


def test_every_result_is_that_of_the_compiled_operator(cases):
    found = cases.results()
    assert set(found) == set(RECORD.files) - {'versions'}
    for name, array in found.items():
        expected = RECORD[name]
        assert (array.shape, array.dtype) == (expected.shape, expected.dtype), name
        if name.startswith(ANOTHER_ORDER):
            np.testing.assert_allclose(array, expected, rtol=1e-12, atol=1e-13, err_msg=name)
        else:
            np.testing.assert_array_equal(array, expected, err_msg=name)
