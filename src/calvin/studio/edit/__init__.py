"""A person edits the description of a film row by row: what stands in each, and every change as a step of its own."""
