"""The puppet film world: script, render, truth, and files in the formats of the real data sets.

What is here stands in `__init__.pyi`. Each name is imported when it is first used: a vocabulary loads no OpenCV.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
