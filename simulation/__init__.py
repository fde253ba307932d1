"""Whole federations in virtual time, from a seed: scheduler, clocks, network, disks, and what strikes them.

Nothing here sleeps, opens a socket or asks the machine's clock; the same seed gives the same trace, event by event.
"""
