"""Videos: frames to predict on, and a video of drawn ones."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import mmcv
import numpy as np

from se_backbones.lab.inference.prediction import Frame

# What the OpenCV of the set-up can write without other programs.
CODECS = {'.mp4': 'mp4v', '.avi': 'MJPG'}
SUFFIXES = (*CODECS, '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg')


def is_video(file: str | Path) -> bool:
    """Return whether a file name looks like a video's."""
    return Path(file).suffix.lower() in SUFFIXES


def open_video(file: str | Path) -> mmcv.VideoReader:
    """Open a video, which knows its length (``len``) and its ``fps``.

    Raises:
        ValueError: It cannot be read.
    """
    reader = mmcv.VideoReader(str(file))
    if not reader.opened or len(reader) < 1:
        raise ValueError(f'{file} cannot be read as a video.')
    return reader


def frames_of(file: str | Path) -> Iterator[Frame]:
    """Yield the frames of a video; they are named ``<video>_000000``, ``<video>_000001``, ...

    Raises:
        ValueError: It cannot be read.
    """
    for number, pixels in enumerate(open_video(file)):
        if pixels is not None:  # what a damaged end reads as
            yield Frame(f'{Path(file).stem}_{number:06d}', pixels)


class DrawnVideo:
    """A video that pictures are added to; as a context it is there when all went well, and not at all otherwise.

    Args:
        path: A new file, ``.mp4`` or ``.avi``.
        fps: Frames in a second.

    Raises:
        ValueError: The file exists, has no folder or another suffix, or cannot be written.
    """

    def __init__(self, path: str | Path, fps: float):
        self.path = Path(path)
        if self.path.suffix.lower() not in CODECS:
            raise ValueError(f'{path} must end in {" or ".join(CODECS)}.')
        if self.path.exists():
            raise ValueError(f'{path} exists and is not written over; remove it or choose another name.')
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.fps = fps
        self._part = self.path.with_name(f'.{self.path.stem}.partial{self.path.suffix}')
        self._writer = None

    def __enter__(self) -> 'DrawnVideo':
        return self

    def add(self, picture: np.ndarray) -> None:
        """Add a picture, ``(H, W, 3)`` uint8, RGB; all have the size of the first."""
        if self._writer is None:
            codec = cv2.VideoWriter.fourcc(*CODECS[self.path.suffix.lower()])
            self._writer = cv2.VideoWriter(str(self._part), codec, self.fps, (picture.shape[1], picture.shape[0]))
            if not self._writer.isOpened():
                raise ValueError(f'OpenCV cannot write {self.path}.')
        self._writer.write(np.ascontiguousarray(picture[..., ::-1]))

    def __exit__(self, kind, error, traceback) -> None:
        if self._writer is not None:
            self._writer.release()
        if kind is None and self._part.exists():
            self._part.replace(self.path)
        self._part.unlink(missing_ok=True)
