"""Operators, where they go, and the networks that carry them."""
