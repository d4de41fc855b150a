"""A whole segmentor as a file says at every pixel what mmseg says, at any size; what cannot be is refused."""

import pytest
import torch

from se_backbones.lab.export import FORMATS, ExportError, part_of, to_bytes
from se_backbones.lab.export.parity import largest_differences


def batches(*sizes):
    """What a test loader yields for images of these sizes, of which the files were twice as large."""
    from mmseg.structures import SegDataSample
    return [dict(inputs=[torch.randint(0, 256, (3, *size), dtype=torch.uint8)], data_samples=[SegDataSample(
        metainfo=dict(img_shape=size, ori_shape=(2 * size[0], 2 * size[1])))]) for size in sizes]


@pytest.mark.parametrize('test_cfg', [None, dict(size_divisor=32)], ids=['', 'padded'])
def test_scores_are_those_of_mmseg_at_any_size(narrow_segmentor, test_cfg):
    model = narrow_segmentor(data_preprocessor=dict(test_cfg=test_cfg))
    part, images = part_of(model), batches((96, 96), (97, 131), (64, 224))
    assert [tuple(part.expected(batch)[0].shape) for batch in images] == [
        (1, 11, 96, 96), (1, 11, 97, 131), (1, 11, 64, 224)]
    assert len(part.expected(images[0])[0].argmax(1).unique()) >= 3, 'else it says little'
    assert largest_differences(part, lambda image: [part(image)], images)['scores'] < 1e-5


@pytest.mark.parametrize('align_corners', [False, True])
def test_what_is_put_into_a_sample_is_what_mmseg_puts_there(narrow_segmentor, align_corners):
    model, (batch,) = narrow_segmentor(decode_head=dict(align_corners=align_corners)), batches((96, 128))
    part = part_of(model)
    with torch.no_grad():
        expected, = model.test_step(batch)
    expected_labels = expected.pred_sem_seg.data  # the sample is one and the same
    found = part.prediction(part.expected(batch), batch['data_samples'][0])
    assert found.pred_sem_seg.data.shape == expected_labels.shape == (1, 192, 256)
    assert (found.pred_sem_seg.data == expected_labels).float().mean() > 0.9999


@pytest.mark.parametrize('format', ['onnx', 'torchscript', pytest.param('torch-export', marks=pytest.mark.slow)])
def test_a_file_says_the_same_at_other_sizes(narrow_segmentor, needs_format, format):
    needs_format(format)
    model = narrow_segmentor()
    run = FORMATS[format].from_bytes(to_bytes(model, torch.zeros(1, 3, 96, 96), format))
    assert largest_differences(part_of(model), run, batches((96, 96), (97, 131)))['scores'] < 1e-4
    assert run(torch.rand(2, 3, 64, 96) * 255)[0].shape == (2, 11, 64, 96)


def test_the_tool_writes_a_segmentor_that_has_the_same_miou(tool, segmentor, tmp_path):
    rows = tool('export', *segmentor, '-o', tmp_path / 'masks.pt', '--format', 'torchscript', '--images', '2',
                '--evaluate')
    assert rows[1].metrics['mIoU'] == pytest.approx(rows[0].metrics['mIoU'], abs=0.01) and rows[0].metrics['mIoU'] > 0


@pytest.mark.parametrize(('changes', 'says'), [
    (dict(test_cfg=dict(mode='slide', crop_size=(96, 96), stride=(64, 64))), "model.test_cfg.mode='slide'"),
    (dict(decode_head=dict(num_classes=2, out_channels=1, threshold=0.5,
                           loss_decode=dict(use_sigmoid=True, class_weight=None))), 'out_channels=1 cannot'),
    (dict(data_preprocessor=dict(test_cfg=dict(size=(128, 128)))), 'test_cfg.size=')])
def test_what_a_file_would_compute_otherwise_is_refused(narrow_segmentor, changes, says):
    with pytest.raises(ExportError, match=says):
        part_of(narrow_segmentor(**changes))
