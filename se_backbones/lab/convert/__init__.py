"""Checkpoints and annotation files in other forms."""
