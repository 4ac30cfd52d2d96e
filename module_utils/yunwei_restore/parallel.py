"""Two things at a time: restic reads one file with one processor, and hosts have more."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import threading

AT_ONCE = 2


def both(jobs):
    """Return the results of `jobs` (functions without arguments) in their order, two of them running at a time.

    The first error is raised once what had been started is done; nothing new is started after an error.
    """
    waiting = list(enumerate(jobs))
    results, errors, lock = {}, [], threading.Lock()

    def work():
        while True:
            with lock:
                if errors or not waiting:
                    return
                number, job = waiting.pop(0)
            try:
                results[number] = job()
            except Exception as error:  # handed to the caller below
                errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [results[number] for number in range(len(jobs))]
