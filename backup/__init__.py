"""Backups: a data directory as it was at one moment, in one file that says what is in it, and back again."""
