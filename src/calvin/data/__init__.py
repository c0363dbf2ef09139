"""Data sets: features, readers, cleaning, instructions, mixture, collation.

What is here stands in `__init__.pyi`. Each name is imported when it is first used, so that listing the formats of
annotations for `calvin --help` does not load numpy and pydantic.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
