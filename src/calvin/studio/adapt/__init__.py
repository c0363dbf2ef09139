"""A model tuned to one film from scenes that a person described."""
