"""Films in: facts, one-pass decoding, subtitles, and where description fits; sound and voices for the way out.

facts = probe("film.mp4")
decoded = decode_film("film.mp4", "project/frames")
places = plan_cues(decoded.duration_ms, decoded.shots, read_subtitles("film.srt").lines)

What is here stands in `__init__.pyi`. Each name is imported when it is first used: reading subtitles loads no decoder.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
