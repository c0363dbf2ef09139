"""Nouns, exact time, prompts, configuration, errors: what every other part speaks in."""
