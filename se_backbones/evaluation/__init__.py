"""The metrics that the hosts lack."""
