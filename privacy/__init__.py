"""Differential privacy for pooled statistics: how much one prompt counts, how much noise hides it, what is left.

Neighbours are two data sets of one owner and domain with the same public number of rows that differ in one of them.
What an owner releases is its moment only: the measured accuracy is higher than with a Gram matrix under the same budget
(docs/results.md), because the noise of D (D + 1) / 2 numbers drowns all but a few eigenvalues.

Every contribution carries noise that suffices by itself, drawn once and kept. So the promise holds against everybody
else together, through any number of rounds, and when a contribution is taken out or added again, the same noise goes
with it. Noise that only the sum of several owners has would be told apart by later rounds, in which some of them leave.
"""
