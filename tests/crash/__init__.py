"""Faults on purpose: what is promised must hold whatever is killed, paused, cut, lost, slow, doubled or too much.

`make crash` runs all of it; the tests here are its short form.
"""
