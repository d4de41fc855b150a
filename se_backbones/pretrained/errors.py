"""What can go wrong between a checkpoint's name and its tensors; every text says what to do."""


class WeightsError(RuntimeError):
    """Weights cannot be found, downloaded or read."""


class DownloadError(WeightsError):
    """No mirror gave the file that was asked for, or the cache could not take it."""


class CheckpointError(WeightsError):
    """A file is no checkpoint, is damaged, or would have to run code to be read."""


class LayoutError(WeightsError):
    """The tensors of a checkpoint are not those of the network that it is said to hold."""
