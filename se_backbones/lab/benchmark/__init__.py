"""How long networks and operators take and what they keep, ours beside the peers', measured in one process."""
