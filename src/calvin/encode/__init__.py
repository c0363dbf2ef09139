"""Frame vectors: films, images, clips, frame folders and shards through a vision tower, here or on a cluster."""

from typing import Literal

Kind = Literal["films", "images", "frames"]
"""What a file or a part is made from: films and clips, images, or folders of numbered stills."""

SourceKind = Literal["films", "images", "frames", "shards"]
"""The same, and webdataset tars of images or clips."""

Form = Literal["h5", "tar"]
"""What a part becomes."""
