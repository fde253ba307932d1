"""Embedders from packaged data, a directory or a model hub: the only place that reads model files."""
