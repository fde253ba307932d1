"""Secure aggregation: nobody, the aggregator included, sees one owner's vector; only the sum of a cohort.

The protocol of Bonawitz et al. 2017 (Practical Secure Aggregation for Privacy-Preserving Machine Learning) over the
neighbour graph of Bell et al. 2020 (Secure Single-Server Aggregation with (Poly)Logarithmic Overhead). Bytes in, bytes
out: no network, no clock, no file; entropy comes from the caller.
"""
