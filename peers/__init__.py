"""The daemon of a node in a federation without a coordinator: gossip, sums and routers of its own."""
