"""Time and memory of networks and operators, beside other libraries', measured in one process."""
