"""Stages, loop, checkpoints and recipes."""
