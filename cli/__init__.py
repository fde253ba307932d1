"""The commands of ridgeway, one module each."""
