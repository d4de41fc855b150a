"""Analyses of trained networks and runs: functions that return data; ``lab/commands`` prints and saves it."""
