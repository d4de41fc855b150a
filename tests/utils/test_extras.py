"""What a part of the package needs and is not there."""

import sys

import pytest

from se_backbones.pretrained.errors import WeightsError
from se_backbones.utils.extras import need


def test_what_is_installed_is_not_imported():
    need('Digits', 'digits', 'scikit-learn', 'protobuf')
    sys.modules.pop('sklearn.datasets', None)
    need('Digits', 'digits', 'scikit-learn')
    assert 'sklearn.datasets' not in sys.modules


def test_a_missing_package_is_one_line_with_the_extra():
    line = r"^Things need no_such_a and no_such.b: pip install 'se_backbones\[caffe\]'$"
    with pytest.raises(WeightsError, match=line):
        need('Things', 'caffe', 'no_such_a', 'numpy', 'no_such.b', error=WeightsError)
