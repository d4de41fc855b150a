"""The checks of the preflight, one file for each kind of mistake; ``engine/preflight.py`` calls them in order."""
