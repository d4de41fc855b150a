"""What the preflight looks at, one file for each kind of mistake; ``engine/preflight.py`` calls them in order."""
