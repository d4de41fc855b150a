"""Curves from what mmengine writes."""

import json

import pytest

from se_backbones.analysis.curves import plot_curves, read_curves


@pytest.fixture
def run(tmp_path):
    """A run that was stopped at iteration 3 and resumed from iteration 2."""
    for session, rows in (('20260101_000000', [dict(loss=3.0, iter=1, step=1), dict(loss=2.5, iter=2, step=2),
                                               dict(loss=9.0, iter=3, step=3)]),
                          ('20260101_000001', [dict(loss=2.0, iter=3, step=3), {'coco/bbox_mAP': 0.5, 'step': 1}])):
        folder = tmp_path / session / 'vis_data'
        folder.mkdir(parents=True)
        (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, rows)) + '\n')
    return tmp_path


def test_a_resumed_run_is_one_curve_and_a_repeated_step_counts_once(run):
    assert read_curves(run)['loss'] == ([1, 2, 3], [3.0, 2.5, 2.0])
    assert read_curves(run)['coco/bbox_mAP'] == ([1], [0.5])


def test_plot_writes_a_png(run, tmp_path):
    file = plot_curves({'a': run, 'b': run}, [['loss'], ['coco/bbox_mAP', 'absent']], tmp_path / 'plots' / 'curves.png')
    assert file.read_bytes().startswith(b'\x89PNG')


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='is it the work dir of a run'):
        read_curves(tmp_path)
