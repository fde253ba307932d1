"""Ridgeway: one LLM router for many private prompt owners (IR3DE, arXiv 2606.06098)."""
