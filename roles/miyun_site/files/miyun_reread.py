#!/usr/bin/python3
"""Reads again what lies at this site, whether or not anybody asks: started by a timer of this site.

For each system it reads what receipts found good once and whose turn it is (miyun_receipt.py); what is new is left to
the receipt that is asked for once it is whole. What is damaged stands in the next receipt too, so the first site hears
of it. Ends with 1 where anything is damaged. Standard library only.
"""

import os
import sys
import time

import miyun_receipt
import repository_gate


def main():
    """Read the part of every repository whose turn it is, and say what was found."""
    repository_gate.demand_share()
    damaged = False
    for system in sorted(os.listdir(miyun_receipt.STORE)):
        if not os.path.isfile(os.path.join(miyun_receipt.STORE, system, "config")):
            continue
        summary = miyun_receipt.read_again(system, time.time(), only_known=True)
        print("%s: %d of %d files read again" % (system, summary["hashed"], summary["files"]))
        for path in summary["bad"]:
            damaged = True
            print("%s: %s is damaged: its content is not what its name says" % (system, path))
    return 1 if damaged else 0


if __name__ == "__main__":
    sys.exit(main())
