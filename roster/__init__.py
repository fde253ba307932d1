"""Who belongs to a federation without a coordinator, and what counts in its sum, read off signed records; no I/O."""
