"""The script as files: writing, reading back, edits brought in, and lint."""
