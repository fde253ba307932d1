"""The wire contract of Ridgeway: ridgeway.v1 messages and the codec between them and plain dataclasses."""
