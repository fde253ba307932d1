"""Protocol machines that node and coordinator both run: events and a time in, messages out; no I/O."""
