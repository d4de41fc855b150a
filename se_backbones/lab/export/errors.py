"""The one kind of error that exporting raises for what the user can change."""


class ExportError(ValueError):
    """What is asked for cannot be exported; the message says why, and what to do instead."""
