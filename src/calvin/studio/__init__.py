"""From a film to a script: describe, project store, writers."""
