"""Places365 from its own file lists, in the layout of ``torchvision.datasets.Places365``."""

from mmengine.dataset import BaseDataset
from mmengine.fileio import join_path, list_from_file

from se_backbones.registry import DATASETS


@DATASETS.register_module()
class Places365(BaseDataset):
    """Scenes of 365 classes; one ``dict(img_path=..., gt_label=...)`` per image.

    mmpretrain's ``CustomDataset`` reads lists of this kind, but the training lists of Places365 begin their paths with
    a slash (``/a/airfield/00000001.jpg 0``), which would make them absolute.

    Args:
        ann_file: The list, ``path label`` on each line, such as ``places365_train_challenge.txt``.
        data_prefix: ``dict(img_path=...)``: the folder that the paths of the list are relative to.
        kwargs: See mmengine's ``BaseDataset``.
    """

    # The lists number the classes; samplers that balance classes want to know how many there are.
    METAINFO = dict(classes=tuple(map(str, range(365))))

    def load_data_list(self) -> list[dict]:
        folder = self.data_prefix['img_path']
        data = []
        for number, line in enumerate(list_from_file(self.ann_file), 1):
            path, _, label = line.rpartition(' ')
            if not path or not label.isdigit():
                raise ValueError(f"{self.ann_file}, line {number}: expected 'path label', got {line!r}.")
            data.append(dict(img_path=join_path(folder, path.lstrip('/')), gt_label=int(label)))
        return data

    def get_cat_ids(self, idx: int) -> list[int]:
        """Return the class of an image, as mmdet's ``ClassAwareSampler`` asks for it."""
        return [self.get_data_info(idx)['gt_label']]
