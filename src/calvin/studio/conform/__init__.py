"""A description moved to another release of its film."""
