"""Predict on images, folders and videos; draw what was found, and write it as data."""

from se_backbones.inference.drawing import contact_sheet, drawn_file
from se_backbones.inference.predict import predict
from se_backbones.inference.prediction import Frame, Prediction
from se_backbones.inference.results import ResultsFile
from se_backbones.inference.video import DrawnVideo, frames_of, is_video

__all__ = ['DrawnVideo', 'Frame', 'Prediction', 'ResultsFile', 'contact_sheet', 'drawn_file', 'frames_of', 'is_video',
           'predict']
