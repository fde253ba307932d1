"""Where an owner's prompts are counted: on this machine or on a Dask cluster of the owner's; the result is the same."""
