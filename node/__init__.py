"""The node daemon of a data owner: private prompts, contributions, router on disk, routing service."""
