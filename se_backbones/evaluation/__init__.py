"""Metrics that mmdet, mmpretrain and mmseg lack."""
