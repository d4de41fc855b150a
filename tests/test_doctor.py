"""The doctor in broken environments: it names what is broken and the remedy, and never ends in a traceback."""

import importlib
import os
import subprocess
import sys
import sysconfig

import pytest

from se_backbones import doctor
from se_backbones.utils import openmmlab as hosts

ONEDL = (('onedl-mmengine', '0.10.12'), ('onedl-mmcv', '2.3.6'), ('onedl-mmdetection', '3.5.1'),
         ('onedl-mmpretrain', '1.3.6'))
ORIGINALS = (('mmengine', '0.10.7'), ('mmcv', '2.1.0'), ('mmdet', '3.3.0'), ('mmpretrain', '1.2.0'))


@pytest.fixture
def pretend(monkeypatch):
    """Return a function that makes exactly these host distributions installed."""
    def install(*distributions):
        found = [hosts.Host(*hosts.classify(name), name, version) for name, version in distributions]
        monkeypatch.setattr(hosts, 'installed', lambda: found)
    return install


@pytest.fixture
def breaks(monkeypatch):
    """Return a function that makes the doctor's import of a module raise an error."""
    def set_error(module, error):
        real = importlib.import_module

        def import_module(name, *args):
            if name == module:
                raise error
            return real(name, *args)
        monkeypatch.setattr(doctor.importlib, 'import_module', import_module)
    return set_error


@pytest.fixture
def versions(monkeypatch):
    """Return a function that sets what the doctor reads as installed versions."""
    def set_versions(**found):
        monkeypatch.setattr(doctor, '_version', lambda name: found.get(name.replace('-', '_')))
    return set_versions


# --- hosts ---


@pytest.mark.parametrize('name, known', [
    ('onedl-mmcv', ('onedl', 'mmcv')), ('onedl_mmcv', ('onedl', 'mmcv')), ('mmcv-lite', ('openmmlab', 'mmcv')),
    ('onedl-mmcv-cu128-torch2-8', ('onedl', 'mmcv')), ('mmdet', ('openmmlab', 'mmdet')), ('mmdet3d', None),
    ('onedl-mmdetection3d', None), ('torch', None)])
def test_distributions_are_told_by_family_and_module(name, known):
    assert hosts.classify(name) == known


def test_the_family_is_named(pretend):
    for distributions, family in ((ONEDL, 'onedl'), (ORIGINALS, 'openmmlab'), ((), 'none'),
                                  ((*ONEDL, ORIGINALS[1]), 'both')):
        pretend(*distributions)
        assert hosts.family() == family


def test_a_missing_host_is_an_import_error_that_says_what_to_install():
    hosts.require('sys')
    with pytest.raises(ImportError, match=r"needs no_such_a and no_such_b, which are not installed. Install one "
                                          r"OpenMMLab family: pip install 'se_backbones\[onedl\]'"):
        hosts.require('no_such_a', 'sys', 'no_such_b')


# --- checks ---


def test_an_unsupported_python_fails():
    assert doctor.check_python((3, 12, 1)).status == doctor.OK
    assert doctor.check_python((3, 14, 0)).status == doctor.FAIL


def test_both_families_fail_with_the_line_that_uninstalls_them(pretend):
    pretend(*ONEDL, ('mmcv', '2.1.0'))
    finding = doctor.check_family()
    assert finding.status == doctor.FAIL and 'pip uninstall' in finding.remedy and 'mmcv onedl' not in finding.detail
    assert {'onedl-mmcv', 'mmcv'} <= set(finding.remedy.split())


def test_no_family_fails_and_half_a_family_warns(pretend):
    pretend()
    assert doctor.check_family() == doctor.Finding('OpenMMLab family', doctor.FAIL, 'none installed',
                                                   hosts.INSTALL_HINT)
    pretend(*ONEDL[:2])
    finding = doctor.check_family()
    assert finding.status == doctor.WARN
    assert finding.remedy == 'For detection and classification: pip install onedl-mmdetection onedl-mmpretrain'


def test_numpy_2_fails_beside_the_originals_only(pretend, monkeypatch):
    import numpy
    monkeypatch.setattr(numpy, '__version__', '2.4.6')
    pretend(*ORIGINALS)
    assert doctor.check_numpy().status == doctor.FAIL
    pretend(*ONEDL)
    assert doctor.check_numpy().status == doctor.OK


@pytest.mark.parametrize(('torch', 'family', 'status'), [
    ('2.4.1+cu121', ORIGINALS, doctor.OK), ('2.6.0', ORIGINALS, doctor.FAIL), ('2.11.0', ONEDL, doctor.OK)])
def test_a_torch_with_which_mmengine_cannot_read_its_checkpoints_fails(versions, pretend, torch, family, status):
    versions(torch=torch)
    pretend(*family)
    finding = doctor.check_checkpoints()
    assert finding.status == status and f'with torch {torch}' in finding.detail


@pytest.mark.parametrize(('found', 'status', 'detail'), [
    (dict(torch='2.4.1+cu121', onnx='1.19', onnxscript='0.5', onnxruntime='1.23'), doctor.WARN,
     'TorchScript; ONNX and torch.export need torch 2.6 or later, and this is 2.4.1+cu121'),
    (dict(torch='2.11.0', onnx='1.19'), doctor.OK,
     'TorchScript and torch.export; no onnxscript, onnxruntime (the extra [export])'),
    (dict(torch='2.11.0', onnx='1.19', onnxscript='0.5', onnxruntime='1.23'), doctor.OK,
     'ONNX, TorchScript and torch.export')], ids=['old torch', 'without the extra', 'all'])
def test_the_formats_that_can_be_exported_are_named(versions, found, status, detail):
    versions(**found)
    finding = doctor.check_export()
    assert (finding.status, finding.detail) == (status, detail) and bool(finding.remedy) == (status == doctor.WARN)


def test_torchvision_that_does_not_import_fails_with_its_words(breaks):
    breaks('torchvision.ops', RuntimeError('operator torchvision::nms does not exist'))
    finding = doctor.check_torch_pair()
    assert finding.status == doctor.FAIL and 'torchvision::nms does not exist' in finding.detail and finding.remedy


def test_torchvision_of_another_torch_warns(versions):
    versions(torch='2.11.0', torchvision='0.25.0')
    finding = doctor.check_torch_pair()
    assert finding.status == doctor.WARN and 'torchvision 0.26.0 was made for this torch' in finding.detail
    versions(torch='2.11.0+cpu', torchvision='0.26.0+cpu')
    assert doctor.check_torch_pair().status == doctor.OK
    versions(torch='2.11.0')
    assert doctor.check_torch_pair().status == doctor.FAIL


def test_mmcv_whose_operators_do_not_run_fails(breaks):
    breaks('mmcv.ops', ModuleNotFoundError("No module named 'mmcv._ext'"))
    finding = doctor.check_mmcv_ops()
    assert finding.status == doctor.FAIL and 'mmcv._ext' in finding.detail
    name = {'onedl': 'onedl-mmcv', 'openmmlab': 'mmcv-lite'}[hosts.family()]
    assert f'pip install --force-reinstall --no-deps {name}' in finding.remedy


@pytest.fixture
def mmcv_folder(monkeypatch, tmp_path):
    """An mmcv without compiled operators, and the folder that the doctor takes for its own."""
    monkeypatch.setattr(doctor, 'is_compiled', lambda module: False)
    monkeypatch.setattr(doctor.mmcv_ext, 'mmcv_folder', lambda: tmp_path)
    return tmp_path


def test_it_says_which_operators_run_and_what_the_others_do(mmcv_folder):
    (mmcv_folder / '_ext.py').write_text('')
    finding = doctor.check_mmcv_ops()
    assert finding.status == doctor.OK and finding.detail.startswith('on torchvision: RoIAlign, RoIPool, NMS, ')
    assert finding.detail.endswith('; all others stop with an error')


def test_operators_that_only_our_import_finds_warn(mmcv_folder):
    finding = doctor.check_mmcv_ops()
    assert finding.status == doctor.WARN and finding.remedy.endswith('se-backbones mmcv install')


def test_compiled_operators_that_do_not_load_warn(mmcv_folder):
    (mmcv_folder / f'_ext{sysconfig.get_config_var("EXT_SUFFIX")}').write_text('')
    finding = doctor.check_mmcv_ops()
    assert finding.status == doctor.WARN and finding.detail.startswith('the compiled ones do not load; on torchvision')


def test_compiled_operators_are_named(monkeypatch):
    monkeypatch.setattr(doctor, 'is_compiled', lambda module: True)
    assert doctor.check_mmcv_ops() == doctor.Finding('mmcv operators', doctor.OK,
                                                     'compiled; RoIAlign and NMS run on the CPU')


def test_what_an_uninstalled_mmcv_left_behind_fails(monkeypatch):
    monkeypatch.setattr(doctor.mmcv_ext, 'left_over', lambda: 'site-packages/mmcv/_ext.py')
    finding = doctor.check_mmcv_ops()
    assert finding.status == doctor.FAIL and finding.detail.startswith('site-packages/mmcv/_ext.py was left behind')
    assert 'se-backbones mmcv uninstall' in finding.remedy


def test_mmcv_without_opencv_points_to_the_finding_about_opencv(breaks):
    breaks('mmcv.ops', ModuleNotFoundError("No module named 'cv2'", name='cv2'))
    assert doctor.check_mmcv_ops().remedy == 'mmcv needs cv2: see the other findings.'


def test_operators_that_return_wrong_numbers_fail(monkeypatch):
    import mmcv.ops
    monkeypatch.setattr(mmcv.ops, 'nms', lambda boxes, scores, iou_threshold: (boxes, scores))
    assert doctor.check_mmcv_ops().status == doctor.FAIL


def test_a_gpu_that_torch_does_not_see_warns(monkeypatch):
    import torch
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(doctor.shutil, 'which', lambda name: '/usr/bin/nvidia-smi')
    assert doctor.check_gpu().status == doctor.WARN
    monkeypatch.setattr(doctor.shutil, 'which', lambda name: None)
    assert doctor.check_gpu().status == doctor.OK


def test_a_gpu_without_operators_fails(monkeypatch):
    import torch
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda index: 'a GPU')

    def not_compiled(device):
        raise RuntimeError('roi_align_forward_impl: implementation for device cuda:0 not found')
    monkeypatch.setattr(doctor, '_run_mmcv_ops', not_compiled)
    for compiled, remedy in ((True, 'Let them run on torchvision'), (False, 'Install torch and torchvision anew')):
        monkeypatch.setattr(doctor, 'is_compiled', lambda module, compiled=compiled: compiled)
        finding = doctor.check_gpu()
        assert finding.status == doctor.FAIL and finding.remedy.startswith(remedy)
    monkeypatch.setattr(doctor, '_run_mmcv_ops', lambda device: None)
    assert doctor.check_gpu().status == doctor.OK


def test_it_says_how_residual_units_end(monkeypatch):
    import torch

    from se_backbones.ops import residual_tail
    for value, status in (('plain', doctor.OK), ('fused', doctor.OK), ('fast', doctor.FAIL)):
        monkeypatch.setenv(residual_tail.VARIABLE, value)
        finding = doctor.check_tail()
        assert finding.status == status and value in finding.detail
    monkeypatch.delenv(residual_tail.VARIABLE)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(residual_tail, 'why_not_triton', lambda device, dtype: None)
    assert doctor.check_tail().detail.endswith('on the GPU')
    monkeypatch.setattr(residual_tail, 'why_not_triton', lambda device, dtype: 'no C compiler')
    finding = doctor.check_tail()
    assert finding.status == doctor.WARN and 'no C compiler' in finding.detail


def test_a_python_without_distutils_fails(breaks):
    breaks('distutils.errors', ModuleNotFoundError("No module named 'distutils'"))
    finding = doctor.check_setuptools()
    assert finding.status == doctor.FAIL and 'setuptools>=77,<81' in finding.remedy


def test_the_originals_need_pkg_resources(breaks, pretend):
    breaks('pkg_resources', ModuleNotFoundError("No module named 'pkg_resources'"))
    pretend(*ORIGINALS)
    assert doctor.check_setuptools().status == doctor.FAIL
    pretend(*ONEDL)
    assert doctor.check_setuptools().status == doctor.OK


def test_opencv_without_libgl_fails_and_two_opencvs_warn(breaks, versions):
    versions(opencv_python='4.11', opencv_python_headless='4.11')
    assert doctor.check_opencv().status == doctor.WARN
    breaks('cv2', ImportError('libGL.so.1: cannot open shared object file'))
    finding = doctor.check_opencv()
    assert finding.status == doctor.FAIL and 'libGL.so.1' in finding.detail
    assert finding.remedy.endswith('pip install opencv-python-headless')


def test_a_cache_that_cannot_be_written_warns_and_names_its_variable(tmp_path):
    (tmp_path / 'file').write_text('')
    new, closed = str(tmp_path / 'new'), str(tmp_path / 'file' / 'inside')
    finding = doctor.check_cache({'TORCH_HOME': new})
    assert finding.status == doctor.OK and finding.detail == f'{new}/hub/checkpoints'
    assert doctor.check_cache({'TORCH_HOME': closed, 'SE_BACKBONES_HOME': new}).detail == new
    for variable in ('TORCH_HOME', 'SE_BACKBONES_HOME'):
        finding = doctor.check_cache({variable: closed})
        assert finding.status == doctor.WARN and closed in finding.detail and 'SE_BACKBONES_HOME' in finding.remedy


def test_a_backbone_that_does_not_resolve_fails(monkeypatch):
    from mmengine.registry import MODELS
    monkeypatch.setattr(MODELS, 'get', lambda name: None)
    assert doctor.check_registry().status == doctor.FAIL


# --- the whole ---


def test_a_check_that_crashes_is_a_finding():
    def check_all_things():
        raise OSError('disk\nbroken')
    (finding,) = doctor.examine((check_all_things,))
    assert finding.name == 'all things' and finding.status == doctor.FAIL and 'OSError: disk broken' in finding.detail


def test_only_failures_decide_the_exit_code(monkeypatch, capsys):
    for status, code in ((doctor.OK, 0), (doctor.WARN, 0), (doctor.FAIL, 1)):
        monkeypatch.setattr(doctor, 'examine', lambda status=status: [doctor.Finding('x', status, 'd', 'r')])
        assert doctor.main([]) == code
    assert 'fail  x: d\n      -> r' in capsys.readouterr().out


def test_a_terminal_gets_a_table_with_brackets_kept(monkeypatch, capsys):
    monkeypatch.setenv('FORCE_COLOR', '1')
    monkeypatch.setenv('COLUMNS', '200')
    doctor.print_report([doctor.Finding('family', doctor.FAIL, 'none', hosts.INSTALL_HINT)])
    assert 'se_backbones[onedl]' in capsys.readouterr().out


def test_nothing_would_fail_in_this_environment():
    assert [finding for finding in doctor.examine() if finding.status == doctor.FAIL] == []


def test_the_doctor_starts_without_the_hosts(tmp_path):
    # A Python that does not find the host libraries stands in for an environment without them.
    (tmp_path / 'sitecustomize.py').write_text(
        'from importlib.machinery import PathFinder\n'
        'find = PathFinder.find_spec\n'
        f'PathFinder.find_spec = lambda name, *rest: None if name in {hosts.MODULES} else find(name, *rest)\n')
    def run(*words):
        return subprocess.run([sys.executable, *words], capture_output=True, text=True,
                              env={**os.environ, 'PYTHONPATH': str(tmp_path)})
    broken = run('-m', 'se_backbones', 'doctor')
    assert broken.returncode == 1 and 'Traceback' not in broken.stdout + broken.stderr
    assert "fail  mmcv operators: ModuleNotFoundError: No module named 'mmcv" in broken.stdout
    said = 'se_backbones needs mmengine and mmcv, which are not installed.'
    assert f'ImportError: {said}' in run('-c', 'import se_backbones.models.backbones').stderr
    other = run('-m', 'se_backbones', 'list')
    assert other.returncode == 1 and other.stderr.startswith(f'error: {said}') and other.stderr.count('\n') == 1
