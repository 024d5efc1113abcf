"""Benchmarks: ``make bench``, or ``make bench SIZE=small`` for minutes. Numbers to compare are taken in one run."""
