"""Datasets and transforms that mmdet, mmpretrain and mmseg lack, and where to get the datasets of the configs."""
