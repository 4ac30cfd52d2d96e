"""Restore, for the drill and for recovery alike: standard library only, Python 2.6, 2.7 and 3.6+."""
