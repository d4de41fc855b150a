"""Curves from what mmengine writes."""

import functools

import pytest
from matplotlib.axes import Axes

from helpers import write_log
from se_backbones.lab.analysis.curves import (
    plot_curves,
    plot_progression,
    plot_saturation,
    read_curves,
    read_progression,
    read_validation,
    saturation_curves,
)


@pytest.fixture
def run(tmp_path):
    """A run that was stopped at iteration 3 and resumed from iteration 2."""
    for session, rows in (('20260101_000000', [dict(loss=3.0, iter=1, step=1), dict(loss=2.5, iter=2, step=2),
                                               dict(loss=9.0, iter=3, step=3)]),
                          ('20260101_000001', [dict(loss=2.0, iter=3, step=3), {'coco/bbox_mAP': 0.5, 'step': 1}])):
        write_log(tmp_path, *rows, session=session)
    return tmp_path


def test_a_resumed_run_is_one_curve_and_a_repeated_step_counts_once(run):
    assert read_curves(run)['loss'] == ([1, 2, 3], [3.0, 2.5, 2.0])
    assert read_curves(run)['coco/bbox_mAP'] == ([1], [0.5])


def test_plot_writes_a_png(run, tmp_path):
    file = plot_curves({'a': run, 'b': run}, [['loss'], ['coco/bbox_mAP', 'absent']], tmp_path / 'plots' / 'curves.png')
    assert file.read_bytes().startswith(b'\x89PNG')


def test_no_later_step_is_drawn_than_the_one_that_is_asked_for(run, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(Axes, 'plot', lambda self, *args, **options: drawn.append(args[:2]) or [])
    plot_curves({'a': run}, [['loss']], tmp_path / 'curves.png', until=2)
    assert drawn == [((1, 2), (3.0, 2.5))]


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='is it the work dir of a run'):
        read_curves(tmp_path)


def test_seeds_are_one_curve_which_is_their_mean_where_all_have_been(tmp_path):
    for seed, losses in enumerate([(3.0, 2.0), (1.0, 0.0, 0.0)]):
        write_log(tmp_path / f'seed_{seed}', *(dict(loss=loss, epoch=1, iter=step, step=step)
                                               for step, loss in enumerate(losses, 1)),
                  {'coco/bbox_mAP': 0.2 * seed, 'step': 1})
    assert read_curves(tmp_path)['loss'] == ([1, 2], [2.0, 1.0])
    assert read_validation(tmp_path) == {'coco/bbox_mAP': ([1], [0.1])}
    assert read_progression(tmp_path).training == ([1], [pytest.approx((2.5 + 1 / 3) / 2)])


def test_runs_of_different_configs_are_not_one_curve(tmp_path):
    for name in 'ab':
        write_log(tmp_path / name / 'seed_0', dict(loss=1.0, iter=1, step=1))
    with pytest.raises(ValueError, match=r'holds 2 runs: name one of them, such as .*/a/seed_0'):
        read_curves(tmp_path)


def test_a_run_in_the_folder_of_another_is_not_a_part_of_it(run):
    write_log(run / 'finetuned', dict(loss=0.1, iter=4, step=4))
    assert read_curves(run)['loss'].steps == [1, 2, 3]


@pytest.fixture
def logged(tmp_path):
    """Return a function that writes the rows of one run and returns its work dir."""
    return functools.partial(write_log, tmp_path / 'run')


def test_accuracies_become_errors_and_an_epoch_is_the_mean_of_its_log(logged):
    run = read_progression(logged(
        {'accuracy_top-1': 50.0, 'loss': 2.0, 'epoch': 1, 'iter': 10, 'step': 10},
        {'accuracy_top-1': 70.0, 'loss': 1.0, 'epoch': 1, 'iter': 20, 'step': 20},
        {'accuracy_top-1': 90.0, 'loss': 0.5, 'epoch': 2, 'iter': 30, 'step': 30},
        {'accuracy/top1': 80.0, 'accuracy/top5': 99.0, 'step': 1}, {'accuracy/top1': 85.0, 'step': 2}))
    assert run.training == ([1, 2], [40.0, 10.0]) and run.training_name == 'training top-1 error (%)'
    assert run.validation == ([1, 2], [20.0, 15.0]) and run.validation_name == 'validation top-1 error (%)'
    assert run.training_unit == run.validation_unit == 'epoch'


def test_a_detector_shows_its_loss_and_its_map(logged):
    run = read_progression(logged(dict(loss=2.0, epoch=1, iter=1, step=1), {'coco/bbox_mAP': 0.3, 'step': 1}))
    assert (run.training_name, run.training) == ('training loss', ([1], [2.0]))
    assert (run.validation_name, run.validation) == ('validation box mAP', ([1], [0.3]))


def test_what_a_validation_measured_is_told_from_training_whatever_its_name(logged):
    folder = logged({'loss': 1.0, 'gates/below_0.05': 0.1, 'epoch': 1, 'iter': 5, 'step': 5},
                    {'mIoU': 60.0, 'coco/bbox_mAP': 0.2, 'data_time': 0.1, 'time': 0.2, 'step': 1})
    assert read_validation(folder) == {'mIoU': ([1], [60.0]), 'coco/bbox_mAP': ([1], [0.2])}


def test_a_run_by_iterations_keeps_them(logged):
    run = read_progression(logged(dict(loss=2.0, iter=10, step=10), dict(loss=1.0, iter=20, step=20),
                                  {'accuracy/top1': 80.0, 'step': 20}))
    assert run.training == ([10, 20], [2.0, 1.0]) and run.validation == ([20], [20.0])
    assert run.training_unit == run.validation_unit == 'iteration'


def test_validations_of_a_loop_without_epochs_have_the_iteration(logged, tmp_path, monkeypatch):
    """mmengine logs all of them as of epoch 0."""
    folder = logged(dict(loss=2.0, iter=10, step=10), {'coco/bbox_mAP': 0.1, 'step': 0},
                    dict(loss=1.0, iter=20, step=20), {'coco/bbox_mAP': 0.2, 'step': 0})
    assert read_validation(folder) == {'coco/bbox_mAP': ([10, 20], [0.1, 0.2])}
    labels = []
    monkeypatch.setattr(Axes, 'set_xlabel', lambda self, text, **options: labels.append(text))
    plot_curves({'a': folder}, [['coco/bbox_mAP']], tmp_path / 'a.png')
    plot_curves({'a': logged(dict(loss=1.0, iter=1, epoch=1, step=1), {'coco/bbox_mAP': 0.1, 'mIoU': 1.0, 'step': 1},
                             session='3')}, [['coco/bbox_mAP'], ['mIoU'], ['loss']], tmp_path / 'b.png')
    assert labels == ['iteration', 'epoch', 'epoch', 'iteration']


LOOPS = {
    'less than a log interval': (dict(val_interval=4), [4, 8, 12, 16, 20, 24, 26]),
    'no multiple of it': (dict(val_interval=15), [15, 26]),
    'begins late': (dict(val_interval=4, val_begin=9), [12, 16, 20, 24, 26]),
    'changes': (dict(val_interval=8, dynamic_intervals=[(17, 3)]), [8, 18, 21, 24, 26])}


@pytest.mark.parametrize(('loop', 'validated'), LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize('resumed', [None, 12, 24])
def test_validations_between_logged_iterations_have_the_iteration_at_which_the_loop_validates(logged, loop, validated,
                                                                                             resumed):
    """As mmengine logs every tenth of 26 iterations; a session that goes on repeats the validation that was due."""
    loop = dict(type='IterBasedTrainLoop', max_iters=26, **loop)

    def rows(begin, end):
        for step in range(begin, end + 1):
            if step % 10 == 0 and step > begin:
                yield dict(loss=1.0, iter=step, epoch=1, step=step)
            if step in validated:
                yield dict(mIoU=float(step), step=0)
    if resumed is None:
        folder = logged(*rows(0, 26), loop=loop)
    else:
        logged(*rows(0, resumed - 1), session='1', loop=loop)  # killed before its last validation
        folder = logged(*rows(resumed, 26), session='2', loop=loop)
    kept = [step for step in validated if resumed != 24 or step < 24]  # no iteration was logged to place the others by
    assert read_validation(folder)['mIoU'] == (kept, [*map(float, kept)])
    assert read_progression(folder).validation_unit == 'iteration'


@pytest.mark.parametrize('by_epoch', [True, False], ids=['LogProcessor by_epoch', ''])
@pytest.mark.parametrize('metric_by_epoch', [True, False], ids=['log_metric_by_epoch', ''])
def test_a_run_of_epochs_that_was_resumed_keeps_its_validations_however_it_logs(logged, by_epoch, metric_by_epoch):
    """Epochs of four iterations, of which the second session repeats the third."""
    for session, begin, end in (('1', 0, 3), ('2', 2, 4)):
        rows = [{'mIoU': 0.1 * begin, 'step': begin if metric_by_epoch else 4 * begin}] if begin else []
        for epoch in range(begin, end):
            step = 4 * epoch + 3
            rows += [dict(loss=1.0, iter=step, step=step) | (dict(epoch=epoch + 1) if by_epoch else {}),
                     {'mIoU': 0.1 * (epoch + 1), 'step': epoch + 1 if metric_by_epoch else 4 * epoch + 4}]
        folder = logged(*rows, session=session, loop=dict(by_epoch=True, max_epochs=4))
    run = read_progression(folder)
    assert (run.training_unit, run.validation_unit) == (
        'epoch' if by_epoch else 'iteration', 'epoch' if by_epoch or metric_by_epoch else 'iteration')
    assert run.validation.steps == ([1, 2, 3, 4] if run.validation_unit == 'epoch' else [4, 8, 12, 16])


@pytest.mark.parametrize('epochs', [True, False])
def test_what_a_run_did_after_the_checkpoint_that_it_went_on_from_is_left_out(tmp_path, epochs):
    for session, first, last, loss in (('1', 1, 10, 9.0), ('2', 6, 7, 5.0)):
        rows = []
        for step in range(first, last + 1):
            rows += [dict(loss=loss, iter=step, step=step, **(dict(epoch=step) if epochs else {})),
                     {'mIoU': loss, 'step': step}]
        write_log(tmp_path, *rows, session=session)
    for name in ('loss', 'mIoU'):
        assert read_curves(tmp_path)[name] == ([*range(1, 8)], [9.0] * 5 + [5.0] * 2)


def test_a_loop_without_epochs_is_known_by_its_validations(logged):
    """mmengine's default LogProcessor says of each iteration that it is in epoch 1."""
    run = read_progression(logged(dict(loss=2.0, iter=10, epoch=1, step=10), {'mIoU': 0.1, 'step': 0},
                                  dict(loss=1.0, iter=20, epoch=1, step=20), {'mIoU': 0.2, 'step': 0}))
    assert run.training == ([10, 20], [2.0, 1.0]) and run.validation == ([10, 20], [0.1, 0.2])
    assert run.training_unit == run.validation_unit == 'iteration'


def test_times_are_those_of_training(logged):
    folder = logged(dict(time=0.5, data_time=0.1, loss=1.0, iter=1, epoch=1, step=1),
                    {'time': 0.02, 'data_time': 0.01, 'mIoU': 0.1, 'step': 1})
    assert read_curves(folder)['time'] == ([1], [0.5]) and read_curves(folder)['data_time'] == ([1], [0.1])


def test_epochs_and_iterations_have_no_common_axis(tmp_path):
    write_log(tmp_path / 'a', dict(loss=2.0, iter=10, epoch=1, step=10), dict(mIoU=1.0, step=1))
    write_log(tmp_path / 'b', dict(loss=2.0, iter=10, step=10), dict(mIoU=1.0, step=10))
    runs = {'a': tmp_path / 'a', 'b': tmp_path / 'b'}
    with pytest.raises(ValueError, match='no common axis: a: epoch, b: iteration'):
        plot_progression(runs, tmp_path / 'x.png')
    with pytest.raises(ValueError, match='no common axis: a mIoU: epoch, b mIoU: iteration'):
        plot_curves(runs, [['mIoU']], tmp_path / 'x.png')


def test_a_log_that_breaks_off_is_read_up_to_there_and_a_damaged_one_is_named(logged):
    file = next(logged(dict(loss=2.0, iter=1, step=1), dict(loss=1.0, iter=2, step=2)).glob('*/vis_data/scalars.json'))
    lines = file.read_text().splitlines()
    file.write_text(f'{lines[0]}\n{lines[1][:7]}')
    assert read_curves(file.parents[2])['loss'] == ([1], [2.0])
    file.write_text(f'{lines[1][:7]}\n{lines[0]}\n')
    with pytest.raises(ValueError, match=r'scalars\.json, line 1, is not JSON'):
        read_curves(file.parents[2])


def test_a_log_is_read_beside_a_config_that_cannot_be(logged):
    """mmengine writes objects by their text."""
    folder = logged(dict(loss=2.0, iter=1, step=1), loop=dict(by_epoch=True))
    next(folder.glob('*/vis_data/config.py')).write_text('train_cfg = dict(hook=<object at 0x7f>)\n')
    assert read_curves(folder)['loss'] == ([1], [2.0])


def test_a_run_without_validation_has_none(logged, tmp_path):
    folder = logged(dict(loss=2.0, epoch=1, iter=1, step=1))
    assert read_progression(folder).validation is None
    assert plot_progression({'a': folder, 'b': folder}, tmp_path / 'x.png').read_bytes().startswith(b'\x89PNG')


def test_saturation_is_told_apart_by_threshold_and_operator(logged, tmp_path):
    folder = logged({'gates/below_0.05': 0.1, 'gates/SE_5_2/below_0.05': 0.2, 'gates/above_0.95': 0.3, 'loss': 1.0,
                     'iter': 5, 'step': 5})
    assert saturation_curves(read_curves(folder)) == {
        'below_0.05': {'all': ([5], [0.1]), 'SE_5_2': ([5], [0.2])}, 'above_0.95': {'all': ([5], [0.3])}}
    assert plot_saturation(folder, tmp_path / 'x.png').read_bytes().startswith(b'\x89PNG')


def test_a_run_without_the_hook_is_told_how_to_add_it(run, tmp_path):
    with pytest.raises(ValueError, match='se_backbones.GateSaturationHook'):
        plot_saturation(run, tmp_path / 'x.png')
