"""Where the scenes of one release of a film lie in another: matched by picture and sound."""
