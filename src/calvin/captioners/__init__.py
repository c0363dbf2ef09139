"""One interface to everything that can caption a scene."""
