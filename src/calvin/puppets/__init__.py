"""The puppet film world: script, render, truth, and files in the formats of the real data sets."""
