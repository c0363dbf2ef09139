"""Text to speech: Piper, eSpeak NG, tones where neither is installed, and what other packages add.

with registry.open_voice() as voice:
    samples, rate = voice.synthesize("Mara opens the door.")
"""
