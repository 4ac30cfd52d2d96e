"""What runs on managed hosts: standard library only, Python 2.6, 2.7 and 3.6+."""
