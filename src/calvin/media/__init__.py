"""Films in: facts, one-pass decoding, subtitles, and where description fits; sound and voices for the way out.

facts = film.source.probe("film.mp4")
decoded = film.decode.decode_film("film.mp4", "project/frames")
plans = gaps.plan_cues(decoded.duration_ms, decoded.shots, subtitles.read_subtitles("film.srt").lines)

Nothing is imported here, so that reading subtitles loads no decoder.
"""
