"""From films to scripts."""
