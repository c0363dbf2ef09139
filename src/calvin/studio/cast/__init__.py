"""Who is in a film and in which scene."""
