"""The scripts that start several processes, with launchers in the place of torchrun and srun that say what they got."""

import os
import subprocess
from pathlib import Path

import pytest

import se_backbones

TOOLS = Path(se_backbones.config_path()).parent / 'tools'


@pytest.fixture
def launch(tmp_path):
    """Return a function that runs a script and returns the words that its launcher got."""
    for name in ('torchrun', 'srun'):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name}\nfor word in "$@"; do echo "$word"; done\n')
        (tmp_path / name).chmod(0o755)

    def run(script, *words, **environment):
        done = subprocess.run(['bash', str(TOOLS / script), *words], capture_output=True, text=True,
                              env={**os.environ, 'PATH': f'{tmp_path}:{os.environ["PATH"]}', **environment})
        return done.returncode, done.stdout.splitlines()
    return run


ONE_MACHINE = ['--nnodes=1', '--node_rank=0', '--master_addr=127.0.0.1', '--master_port=29500', '--nproc_per_node=2']


def test_dist_train_starts_the_training_tool_on_each_gpu(launch):
    assert launch('dist_train.sh', 'a b.py', '2', '--amp') == (
        0, ['torchrun', *ONE_MACHINE, f'{TOOLS}/train.py', 'a b.py', '--launcher', 'pytorch', '--amp'])


def test_dist_test_starts_the_testing_tool_on_each_gpu(launch):
    assert launch('dist_test.sh', 'a.py', 'b c.pth', '2', '--tta') == (
        0, ['torchrun', *ONE_MACHINE, f'{TOOLS}/test.py', 'a.py', 'b c.pth', '--launcher', 'pytorch', '--tta'])


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh'])
def test_several_machines_come_from_the_environment(launch, script):
    words = launch(script, 'a.py', '4', '4', NNODES='3', NODE_RANK='2', MASTER_ADDR='10.0.0.1', PORT='123')[1]
    assert words[1:6] == ['--nnodes=3', '--node_rank=2', '--master_addr=10.0.0.1', '--master_port=123',
                          '--nproc_per_node=4']


def test_slurm_train_asks_for_a_process_for_each_gpu(launch):
    assert launch('slurm_train.sh', 'part', 'job', 'a b.py', 'work dir', '--resume', GPUS='16', GPUS_PER_NODE='4',
                  SRUN_ARGS='--quiet --exclusive') == (0, [
                      'srun', '-p', 'part', '--job-name=job', '--gres=gpu:4', '--ntasks=16', '--ntasks-per-node=4',
                      '--cpus-per-task=5', '--kill-on-bad-exit=1', '--quiet', '--exclusive', 'python', '-u',
                      f'{TOOLS}/train.py', 'a b.py', '--work-dir=work dir', '--launcher=slurm', '--resume'])


@pytest.mark.parametrize('script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh'])
def test_without_its_words_a_script_says_how_it_is_used(launch, script):
    code, words = launch(script, 'a.py')
    assert code == 2 and words[0].startswith(f'# tools/{script} ')
