"""Data sets: feature store, readers, cleaning, instructions, mixture, collation."""
