"""Words of the puppet world: screenplays, captions, drills and the language model's curriculum."""
