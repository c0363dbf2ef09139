"""A film's sound: speech in it, loudness, the mix with a description, and the film written again."""
