"""Films in: opening them safely, one decode pass, shot cuts, stills and clips."""
