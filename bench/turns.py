# SPDX-License-Identifier: Apache-2.0
"""Several ways are measured by turns, so that what slows the machine for a while slows them all."""


def orders(ways, rounds):
    """The ways in the order of each round: from the first and from the last alternately."""
    for number in range(rounds):
        yield list(ways)[::1 if number % 2 == 0 else -1]


def measure(ways, rounds, cost):
    """What `cost(way)` returned in each of the rounds, by way."""
    costs = {way: [] for way in ways}
    for order in orders(ways, rounds):
        for way in order:
            costs[way].append(cost(way))
    return costs
