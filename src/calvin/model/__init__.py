"""The model: vision tower, projector (frame positions, Q-Former, linear), language model, and their processor."""
