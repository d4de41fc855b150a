"""Conversion of checkpoints and annotation files."""
