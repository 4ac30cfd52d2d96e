"""What restarts of servers need on the hosts: whether, whether they come back, the act, and the proof."""
