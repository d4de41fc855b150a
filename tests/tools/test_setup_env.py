"""tools/setup_env.py: its checks see what they should, and its steps run when and only when they have to."""

import fcntl
import importlib.util
import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from se_backbones import hosts

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def setup_env():
    spec = importlib.util.spec_from_file_location('setup_env', ROOT / 'tools' / 'setup_env.py')
    module = importlib.util.module_from_spec(spec)
    sys.modules['setup_env'] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules['setup_env']


@pytest.fixture
def checkout(setup_env, tmp_path, monkeypatch):
    """An empty project folder in place of ours, with a made environment of Python 3.11."""
    venv = tmp_path / '.venv'
    (venv / 'bin').mkdir(parents=True)
    (venv / 'bin' / 'python').write_text('')
    (venv / 'pyvenv.cfg').write_text('version = 3.11.7\n')
    monkeypatch.setattr(setup_env, 'ROOT', tmp_path)
    monkeypatch.setattr(setup_env, 'VENV', venv)
    monkeypatch.setattr(setup_env, 'VENV_PYTHON', venv / 'bin' / 'python')
    return tmp_path


def install(venv: Path, **versions: str) -> None:
    for name, version in versions.items():
        (venv / 'lib' / 'python3.11' / 'site-packages' / f'{name}-{version}.dist-info').mkdir(parents=True)


# --- Checks ---


@pytest.mark.parametrize('version, problem', [
    ((3, 10), 'Python 3.10 is not supported'), ((3, 11), None), ((3, 12), None), ((3, 13), 'Python 3.13 is not')])
def test_only_python_3_11_and_3_12_are_taken(setup_env, version, problem):
    found = setup_env.check_python(version)
    assert found is None if problem is None else problem in found


def test_an_existing_environment_of_another_python_is_not_overwritten(setup_env):
    assert setup_env.check_same_python((3, 12), None) is None
    assert setup_env.check_same_python((3, 12), (3, 12)) is None
    assert 'make clean-env' in setup_env.check_same_python((3, 12), (3, 11))


def test_each_missing_system_package_is_named(setup_env, tmp_path):
    assert setup_env.check_compiler(None).endswith('apt-get install g++')
    assert setup_env.check_headers(str(tmp_path), (3, 11)).endswith('apt-get install python3.11-dev')
    assert setup_env.check_venv_module(False, (3, 12)).endswith('apt-get install python3.12-venv')
    (tmp_path / 'Python.h').write_text('')
    assert setup_env.check_headers(str(tmp_path), (3, 11)) is None
    assert setup_env.check_compiler('c++') is setup_env.check_venv_module(True, (3, 12)) is None


def test_the_compiler_that_the_user_names_is_the_one_looked_for(setup_env):
    on_path = {'g++': '/usr/bin/g++', 'ccache': '/usr/bin/ccache'}.get
    assert setup_env.find_compiler({}, on_path) == 'g++'
    assert setup_env.find_compiler({'CXX': 'ccache g++'}, on_path) == 'ccache g++'
    assert setup_env.find_compiler({'CXX': 'icpx'}, on_path) is None


def test_too_little_space_is_said_with_both_numbers(setup_env):
    assert setup_env.check_disk(9 * 1024**3, 8) is None
    assert setup_env.check_disk(3 * 1024**3, 8).startswith('3.0 GB are free where .venv goes, 8 GB are needed')


def test_both_families_are_refused(setup_env):
    assert setup_env.check_families(['onedl-mmcv', 'torch']) is None
    assert 'both OpenMMLab families' in setup_env.check_families(['onedl-mmcv', 'mmcv'])
    assert 'holds the original' in setup_env.check_families(['mmdet'])


def test_the_names_of_the_families_are_those_that_the_package_knows(setup_env):
    def names(family):
        return {name for patterns in hosts.DISTRIBUTIONS[family].values() for name in patterns if '*' not in name}
    assert set(setup_env.ONEDL_NAMES) == names('onedl')
    assert set(setup_env.OPENMMLAB_NAMES) == names('openmmlab')


@pytest.mark.parametrize('torch, torchvision, belong', [
    ('2.11.0', '0.26.0', True), ('2.4.1', '0.19.1', True), ('2.11.0+cpu', '0.26.0+cpu', True),
    ('2.11.0+cpu', '0.26.0', False), ('2.13.0', '0.26.0', False), ('2.4.1', '0.19.0', False), (None, '0.26.0', True)])
def test_torch_and_torchvision_must_be_a_pair(setup_env, torch, torchvision, belong):
    assert (setup_env.check_torch_pair(torch, torchvision) is None) is belong


def test_every_problem_is_shown_at_once_and_each_is_one_line(setup_env, checkout, monkeypatch):
    monkeypatch.setattr(setup_env, 'find_compiler', lambda environ: None)
    install(checkout / '.venv', onedl_mmcv='2.3.6', mmcv='2.1.0')
    python = setup_env.Interpreter((3, 13), str(checkout), has_ensurepip=False)
    problems = setup_env.preflight(python, setup_env.installed_versions(checkout / '.venv'), needs_compiling=True)
    assert len(problems) >= 6 and not any('\n' in problem for problem in problems)


# --- When steps run ---


def test_versions_are_read_from_the_folder_names(setup_env, checkout):
    install(checkout / '.venv', torch='2.11.0+cpu', onedl_mmcv='2.3.6')
    assert setup_env.installed_versions(checkout / '.venv') == {'torch': '2.11.0+cpu', 'onedl-mmcv': '2.3.6'}


def test_a_local_build_satisfies_a_pin_and_another_version_does_not(setup_env):
    pins = setup_env.pinned('# words\ntorch==2.11.0\nnumpy>=2\nonedl_mmcv==2.3.6\n')
    assert pins == {'torch': '2.11.0', 'onedl-mmcv': '2.3.6'}
    assert setup_env.unmet_pins(pins, {'torch': '2.11.0+cpu', 'onedl-mmcv': '2.3.5'}) == ['onedl-mmcv']


@pytest.fixture
def steps(setup_env, checkout, monkeypatch):
    """Two steps that only note that they ran, the first with a pin."""
    (checkout / 'requirements').mkdir()
    (checkout / 'requirements' / 'one.txt').write_text('one==1.0\n')
    (checkout / 'setup.py').write_text('')
    install(checkout / '.venv', one='1.0', se_backbones='0.1.0')
    ran = []
    monkeypatch.setattr(setup_env, 'STEPS', {
        name: setup_env.Step(name, name, '1 s', lambda work, name=name: ran.append(name), files)
        for name, files in (('one', ('requirements/one.txt',)), ('package', ('setup.py',)))})
    return ran


def run_pending(setup_env):
    work = setup_env.Workplace({}, lock=0)
    setup_env.run_steps(work, setup_env.pending_steps(setup_env.installed_versions(setup_env.VENV)))


def test_a_finished_set_up_runs_nothing(setup_env, steps):
    run_pending(setup_env)
    assert steps == ['one', 'package']
    run_pending(setup_env)
    assert steps == ['one', 'package']


def test_a_changed_requirement_file_runs_its_step_again(setup_env, checkout, steps):
    run_pending(setup_env)
    (checkout / 'requirements' / 'one.txt').write_text('one==1.0\ntwo\n')
    run_pending(setup_env)
    assert steps == ['one', 'package', 'one']


def test_a_package_changed_by_hand_runs_its_step_again(setup_env, checkout, steps):
    run_pending(setup_env)
    folder = checkout / '.venv/lib/python3.11/site-packages'
    (folder / 'one-1.0.dist-info').rename(folder / 'one-1.1.dist-info')
    assert [step.name for step in setup_env.pending_steps(setup_env.installed_versions(setup_env.VENV))] == ['one']


def test_another_python_or_script_version_runs_all_again(setup_env, checkout, steps, monkeypatch):
    run_pending(setup_env)
    monkeypatch.setattr(setup_env, 'SCRIPT_VERSION', setup_env.SCRIPT_VERSION + 1)
    assert len(setup_env.pending_steps(setup_env.installed_versions(setup_env.VENV))) == 2


def test_a_step_that_failed_is_not_stamped_and_those_before_it_are(setup_env, steps, monkeypatch):
    def fail(work):
        raise setup_env.SetupError('no')
    monkeypatch.setitem(setup_env.STEPS, 'package', setup_env.Step('package', '', '', fail, ('setup.py',)))
    with pytest.raises(setup_env.SetupError):
        run_pending(setup_env)
    assert [step.name for step in setup_env.pending_steps(setup_env.installed_versions(setup_env.VENV))] == ['package']


def test_an_environment_without_its_interpreter_is_made_anew(setup_env, checkout, steps):
    run_pending(setup_env)
    (checkout / '.venv' / 'bin' / 'python').unlink()
    assert len(setup_env.pending_steps({})) == 2


def test_the_files_that_steps_name_exist_and_their_pins_agree_with_the_constraints(setup_env):
    files = {file for step in setup_env.STEPS.values() for file in step.files}
    assert all((ROOT / file).exists() for file in files)
    constraints = setup_env.pinned((ROOT / 'requirements/constraints.txt').read_text())
    for file in (ROOT / 'requirements').glob('*.txt'):
        for name, version in setup_env.pinned(file.read_text()).items():
            assert constraints.get(name, version) == version, f'{file.name}: {name}'


def test_a_second_set_up_waits_for_the_first(setup_env, checkout):
    with setup_env.only_one_setup(), (checkout / '.venv' / 'setup.lock').open() as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


# --- Commands and progress ---


def test_a_failing_command_shows_its_last_lines_and_its_log(setup_env, checkout):
    (checkout / '.venv' / 'logs').mkdir()
    log = checkout / '.venv' / 'logs' / 'step.log'
    code = 'for i in range(100): print("line", i)\nraise SystemExit(3)'
    with pytest.raises(setup_env.SetupError) as failure:
        setup_env.run([sys.executable, '-c', code], log, os.environ)
    text = str(failure.value)
    assert 'exit code 3' in text and 'line 99' in text and 'line 70' in text and 'line 69' not in text
    assert '.venv/logs/step.log' in text and 'line 0' in log.read_text()


def test_ninja_lines_are_counted(setup_env):
    assert setup_env.ninja_progress('  [12/78] c++ -MMD -MF x.o') == (12, 78)
    assert setup_env.ninja_progress('  copying [1/2]') is None


def test_progress_counts_the_files_of_an_interrupted_run(setup_env):
    text = setup_env.progress_text('compiling mmcv', done=10, total=40, compiled_before=40, elapsed=100, since_first=90)
    assert text == 'compiling mmcv: 50 of 80 files, 62 %, 1:40 elapsed, about 4:30 left'
    assert 'left' not in setup_env.progress_text('x', done=40, total=40, compiled_before=0, elapsed=9, since_first=9)


def test_the_ticker_writes_lines_where_there_is_no_terminal(setup_env, monkeypatch):
    monkeypatch.setattr(setup_env, 'SECONDS_BETWEEN_PLAIN_LINES', 0.01)
    stream = io.StringIO()
    with setup_env.Ticker('compiling', stream=stream) as ticker:
        ticker.see('[3/4] c++ x')
        while 'compiling: 3 of 4 files, 75 %' not in stream.getvalue():
            ticker._stop.wait(0.01)
    assert '\r' not in stream.getvalue()


# --- Settings ---


def test_uv_gets_the_index_and_certificate_of_pip_and_no_additional_source(setup_env):
    config = ("global.index-url='https://mirror.invalid/simple'\nglobal.extra-index-url='https://more.invalid'\n"
              ":env:.cert='/certs.pem'\nglobal.find-links='/wheels'\n")
    assert setup_env.uv_settings(config, {}) == {'UV_DEFAULT_INDEX': 'https://mirror.invalid/simple',
                                                 'SSL_CERT_FILE': '/certs.pem'}
    assert setup_env.uv_settings(config, {'UV_DEFAULT_INDEX': 'x', 'SSL_CERT_FILE': 'y'}) == {}
    assert setup_env.uv_settings('', {}) == {}


def test_uv_stays_offline_where_pip_has_to(setup_env):
    config = "global.no-index='true'\nglobal.find-links='\\n/wheels\\n/more'\n"
    assert setup_env.uv_settings(config, {}) == {'UV_NO_INDEX': '1', 'UV_FIND_LINKS': '/wheels,/more'}


def test_compilers_are_limited_by_cores_memory_and_the_user(setup_env):
    gib = 1024**3
    assert setup_env.compile_jobs(2, 24 * gib, {}) == 2
    assert setup_env.compile_jobs(32, 6 * gib, {}) == 4
    assert setup_env.compile_jobs(32, 1 * gib, {}) == 1
    assert setup_env.compile_jobs(32, 6 * gib, {'MAX_JOBS': '7'}) == 7


@pytest.mark.parametrize('visible, nvcc, forced, kind', [
    (False, '13.0', False, 'cpu'), (True, '13.0', False, 'cuda13.0-sm90'), (True, None, False, 'cpu'),
    (True, '12.4', False, 'cpu'), (False, '13.1', True, 'cuda13.0-sm90')])
def test_operators_are_compiled_for_cuda_where_gpu_and_compiler_fit(setup_env, visible, nvcc, forced, kind):
    assert setup_env.ops_kind(visible, '13.0', '90', nvcc, forced) == kind


# --- Wheels and sources ---


def write_wheel(folder: Path, name='onedl_mmcv-2.3.6-cp311-cp311-linux_x86_64.whl') -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / name, 'w') as archive:
        archive.writestr('mmcv/__init__.py', '')
    return folder / name


def test_a_stored_wheel_is_found_and_a_damaged_one_is_not(setup_env, tmp_path):
    wheel = write_wheel(tmp_path / 'built')
    setup_env.store_wheel(wheel, tmp_path / 'cache' / 'cp311')
    stored = setup_env.find_wheel(tmp_path / 'cache' / 'cp311', 'onedl-mmcv', '2.3.6')
    assert stored.read_bytes() == wheel.read_bytes() and len(list(stored.parent.iterdir())) == 1
    assert setup_env.find_wheel(stored.parent, 'onedl-mmcv', '2.3.7') is None
    stored.write_bytes(stored.read_bytes()[:-30])
    assert setup_env.find_wheel(stored.parent, 'onedl-mmcv', '2.3.6') is None


def test_wheels_for_another_torch_python_or_gpu_lie_in_another_folder(setup_env):
    folders = {setup_env.Target(*target).folder for target in (
        ('cp311', '2.11.0+cu130', 'cpu'), ('cp312', '2.11.0+cu130', 'cpu'), ('cp311', '2.12.0+cu130', 'cpu'),
        ('cp311', '2.11.0+cu130', 'cuda13.0-sm90'))}
    assert len(folders) == 4


def test_an_unwritable_cache_is_no_error(setup_env, tmp_path, capsys):
    (tmp_path / 'file').write_text('')
    setup_env.store_wheel(write_wheel(tmp_path / 'built'), tmp_path / 'file' / 'cache')
    assert 'not kept for other checkouts' in capsys.readouterr().out


def test_a_half_unpacked_source_is_unpacked_again(setup_env, tmp_path):
    (tmp_path / 'source' / 'onedl_mmcv-2.3.6').mkdir(parents=True)
    (tmp_path / 'source' / 'onedl_mmcv-2.3.6' / 'setup.py').write_text('1')
    with tarfile.open(tmp_path / 'sdist.tar.gz', 'w:gz') as tar:
        tar.add(tmp_path / 'source' / 'onedl_mmcv-2.3.6', 'onedl_mmcv-2.3.6')
    (tmp_path / 'target.part' / 'rest-of-an-earlier-run').mkdir(parents=True)
    setup_env.unpack_source(tmp_path / 'sdist.tar.gz', tmp_path / 'target')
    assert [file.name for file in (tmp_path / 'target').iterdir()] == ['setup.py']
    assert not (tmp_path / 'target.part').exists()


def test_a_compiler_is_needed_unless_mmcv_or_its_wheel_is_there(setup_env, checkout, tmp_path):
    (checkout / 'requirements').mkdir()
    (checkout / 'requirements' / 'mmcv.txt').write_text('onedl-mmcv==2.3.6\n')
    (checkout / 'requirements' / 'torch.txt').write_text('torch==2.11.0\n')
    python = setup_env.Interpreter((3, 11), '', True)
    environ = {'XDG_CACHE_HOME': str(tmp_path / 'cache')}
    assert setup_env.needs_compiling({}, python, environ)
    assert not setup_env.needs_compiling({'onedl-mmcv': '2.3.6'}, python, environ)
    write_wheel(setup_env.user_cache(environ) / 'cp311-torch2.11.0+cu130-cpu')
    assert not setup_env.needs_compiling({}, python, environ)


def test_mmcv_stays_only_for_the_torch_that_it_was_compiled_for(setup_env, checkout, monkeypatch):
    monkeypatch.setattr(setup_env, 'mmcv_error', lambda work: '')
    work = setup_env.Workplace({}, lock=0, installed={'onedl-mmcv': '2.3.6'})
    here = setup_env.Target('cp311', '2.11.0+cu130', 'cpu')
    assert setup_env.mmcv_can_stay(work, '2.3.6', here)
    (checkout / '.venv' / 'stamps').mkdir()
    setup_env.target_file().write_text(setup_env.Target('cp311', '2.10.0+cu130', 'cpu').folder)
    assert not setup_env.mmcv_can_stay(work, '2.3.6', here)
    setup_env.target_file().write_text(here.folder)
    assert setup_env.mmcv_can_stay(work, '2.3.6', here) and not setup_env.mmcv_can_stay(work, '2.3.7', here)
    monkeypatch.setattr(setup_env, 'mmcv_error', lambda work: 'ImportError: undefined symbol')
    assert not setup_env.mmcv_can_stay(work, '2.3.6', here)


def test_a_compiled_wheel_moves_to_the_cache_and_its_objects_go(setup_env, checkout):
    target = setup_env.Target('cp311', '2.11.0+cu130', 'cpu')
    write_wheel(checkout / '.venv' / 'build' / target.folder)
    setup_env.hand_over_build('2.3.6', target, checkout / 'cache')
    assert setup_env.find_wheel(checkout / 'cache', 'onedl-mmcv', '2.3.6') and not (checkout / '.venv/build').exists()


# --- The other family ---


@pytest.fixture
def originals(setup_env):
    setup_env.set_up_in(setup_env.OPENMMLAB, '.venv-openmmlab')
    return setup_env


def test_the_originals_go_into_an_environment_of_their_own_from_files_of_their_own(originals):
    assert originals.VENV == ROOT / '.venv-openmmlab' == originals.VENV_PYTHON.parents[1]
    assert originals.requirement('torch') == 'requirements/openmmlab/torch.txt'
    assert originals.requirement('dev') == 'requirements/dev.txt'
    files = {file for step in originals.STEPS.values() for file in step.files}
    assert 'requirements/onedl.txt' not in files and all((ROOT / file).exists() for file in files)


def test_the_pins_of_the_originals_are_those_of_the_extra_and_agree_with_each_other(originals):
    pins, extra = {}, (ROOT / 'setup.py').read_text()
    for file in sorted((ROOT / 'requirements' / 'openmmlab').glob('*.txt')):
        for name, version in originals.pinned(file.read_text()).items():
            assert pins.setdefault(name, version) == version, f'{file.name}: {name}'
    assert all(f"'{name}=={pins[name]}'" in extra for name in ('mmengine', 'mmcv', 'mmdet', 'mmpretrain'))
    assert pins['numpy'].startswith('1.') and pins['torch'] == '2.4.1'


def test_each_family_refuses_an_environment_of_the_other(originals):
    forks, both = ['onedl-mmcv', 'torch'], ['onedl-mmcv', 'mmcv']
    assert originals.check_families(['mmcv', 'mmdet', 'torch'], originals.OPENMMLAB) is None
    assert originals.check_families(forks, originals.OPENMMLAB).startswith('.venv-openmmlab holds the forks')
    assert 'both OpenMMLab families' in originals.check_families(both, originals.OPENMMLAB)


def test_the_originals_are_refused_on_a_python_on_which_they_were_not_measured(originals):
    assert originals.check_python((3, 11), originals.OPENMMLAB) is None
    assert 'use 3.11, for example' in originals.check_python((3, 12), originals.OPENMMLAB)


def test_the_command_line_chooses_family_and_folder(setup_env, monkeypatch):
    asked = []
    monkeypatch.setattr(setup_env, 'set_up', lambda rebuild: asked.append((setup_env.FAMILY.name, setup_env.VENV.name)))
    monkeypatch.setattr(setup_env, 'pending_steps', lambda installed: ['one'])
    monkeypatch.setattr(setup_env, 'installed_versions', lambda venv: {})
    monkeypatch.setattr(setup_env.signal, 'signal', lambda *a: None)
    for options in ([], ['--family', 'openmmlab'], ['--venv', '.venv-py3.12']):
        assert setup_env.main(options) == 0
    assert asked[1:] == [('openmmlab', '.venv-openmmlab'), ('onedl', '.venv-py3.12')]
