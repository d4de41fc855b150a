"""Functions that look at trained networks and runs, and return data; ``tools/`` prints and saves it."""
