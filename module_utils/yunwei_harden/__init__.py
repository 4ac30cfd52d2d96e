"""Hardening of one host: what its settings are, what they become, and how a change is taken back by itself."""
