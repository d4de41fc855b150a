"""Predict on images, folders and videos; draw what was found, beside the truth, and write it as data."""

from se_backbones.lab.inference.predict import predict
from se_backbones.lab.inference.prediction import Frame, Prediction, contact_sheet, drawn_files
from se_backbones.lab.inference.results import ResultsFile
from se_backbones.lab.inference.video import drawn_video, frames_of, is_video

__all__ = ['Frame', 'Prediction', 'ResultsFile', 'contact_sheet', 'drawn_files', 'drawn_video', 'frames_of', 'is_video',
           'predict']
