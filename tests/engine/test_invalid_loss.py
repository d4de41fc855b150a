"""When a loss that is not a number stops the run."""

from types import SimpleNamespace

import pytest
import torch

from se_backbones.engine.invalid_loss import InvalidLossError, InvalidLossHook


class OnGPU(torch.Tensor):
    """Says that reading it means waiting."""

    is_cuda = True


@pytest.fixture
def runner(tmp_path):
    return SimpleNamespace(iter=0, work_dir=tmp_path, model=torch.nn.Linear(1, 1), optim_wrapper=SimpleNamespace())


def train(hook, runner, *losses):
    hook.before_train(runner)
    for runner.iter, loss in enumerate(losses):
        hook.after_train_iter(runner, runner.iter, outputs=dict(loss=loss))


def test_the_first_invalid_loss_stops_and_says_where_no_checkpoint_was_saved(runner):
    with pytest.raises(InvalidLossError, match=r'The loss is inf at iteration 2\. No checkpoint has been saved\.'):
        train(InvalidLossHook(), runner, torch.tensor(1.0), torch.tensor([1.0, float('inf')]))


@pytest.mark.parametrize(('options', 'says'), [
    (dict(interval=0), 'interval must be an int of at least 1, got 0'),
    (dict(interval='10'), "interval must be an int of at least 1, got '10'"),
    (dict(patience=-1), 'patience must be an int of at least 0, got -1'),
    (dict(patience=2.5), 'patience must be an int of at least 0, got 2.5')], ids=str)
def test_numbers_that_cannot_be_are_refused(options, says):
    """With a patience of -1 a good loss would stop the run."""
    with pytest.raises(ValueError, match=says):
        InvalidLossHook(**options)
    InvalidLossHook(interval=1, patience=0)


def test_what_is_no_loss_is_passed_over(runner):
    hook = InvalidLossHook()
    train(hook, runner, None, 'nan', float('nan'))
    for outputs in (None, {}, [torch.tensor(float('nan'))]):
        hook.after_train_iter(runner, 0, outputs=outputs)


def test_with_a_loss_scaler_fifty_in_a_row_are_let_pass(runner):
    runner.optim_wrapper.loss_scaler = object()
    nan, good = torch.tensor(float('nan')), torch.tensor(1.0)
    train(InvalidLossHook(), runner, *[nan] * 50, good, *[nan] * 50)
    with pytest.raises(InvalidLossError, match='at iteration 51'):
        train(InvalidLossHook(), runner, *[nan] * 51)


def test_on_a_gpu_ten_losses_are_read_together_and_those_before_a_checkpoint(runner):
    nan = torch.tensor(float('nan')).as_subclass(OnGPU)
    hook = InvalidLossHook()
    train(hook, runner, *[nan] * 9)
    with pytest.raises(InvalidLossError, match='at iteration 1'):
        hook.after_train_iter(runner, 9, outputs=dict(loss=nan))
    train(hook, runner, nan)  # a second training begins anew
    with pytest.raises(InvalidLossError, match='at iteration 1'):
        hook.before_save_checkpoint(runner, {})


def test_weights_that_are_no_numbers_are_not_saved(runner):
    hook = InvalidLossHook()
    hook.before_save_checkpoint(runner, {})
    torch.nn.init.constant_(runner.model.bias, float('inf'))
    with pytest.raises(InvalidLossError, match='bias has weights that are infinite or NaN after iteration 0'):
        hook.before_save_checkpoint(runner, {})
