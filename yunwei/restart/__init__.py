"""Restarts of servers: what follows from what the hosts said; nothing here reaches a host."""
