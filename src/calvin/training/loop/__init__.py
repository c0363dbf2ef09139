"""The training loop, its schedule and checkpoints, one process or many."""
