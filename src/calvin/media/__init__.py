"""Films in and sound out: probe, one-pass decode, subtitles, gaps, voice."""
