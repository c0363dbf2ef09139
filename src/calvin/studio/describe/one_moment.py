"""A film as it was described, for one more request about a moment of it: the same stills and the same said around it.

Nothing is decoded, planned or stored, so a captioner can be asked while somebody edits the project.
"""

from __future__ import annotations

from calvin.captioners.adapted import adapter_context
from calvin.captioners.base import Captioner, FeatureCaptioner, reads_looks
from calvin.core.errors import MediaError
from calvin.core.types import FRAME_SIZE, Author
from calvin.data import FeatureStore
from calvin.media.film.decode import LARGE
from calvin.media.film.frames import FrameStore
from calvin.studio.cast.characters import Cast
from calvin.studio.cast.introduced import Introduced
from calvin.studio.describe.film_project import FilmProject
from calvin.studio.describe.questions import MOST_STILLS, Sight, wanted_size
from calvin.studio.project.describe_settings import DescribeSettings, DescribeWish, PromptSettings, settle
from calvin.studio.project.store import ProjectStore
from calvin.studio.project.timing import EstimatedLength


def settings_of(store: ProjectStore, captioner: Captioner) -> DescribeSettings:
    """How a project is described with a captioner."""
    return settle(DescribeWish(), store.described, adapter_context(captioner))


def film_as_described(
    store: ProjectStore, captioner: Captioner, settings: DescribeSettings, features: FeatureStore | None = None,
    cast: Cast | None = None,
) -> FilmProject:  # fmt: skip
    """
    Args:
        features: the film's frame vectors, for a captioner that reads them.

    Raises:
        MediaError: there are no stills of the film.
    """
    frames = FrameStore.open(store.folder / "frames")
    most = captioner.max_frames if isinstance(captioner, FeatureCaptioner) else MOST_STILLS
    film = FilmProject(store, store.bound_film(), frames, features, most)
    film.settings, film.spoken = settings.plan, EstimatedLength(settings.words_per_minute)
    film.author = Author.ADAPTER if "adapter" in captioner.info.details else Author.MODEL
    film.sight = kept_sight(frames, store, captioner, settings.prompt)
    if cast is not None:
        film.worn = {one.name: one.look for one in cast.characters if one.look}
        film.looks = film.worn if reads_looks(captioner) else {}
    if settings.names == "known":
        film.introduced = Introduced.of(store, cast, film.author)
    return film


def kept_sight(small: FrameStore, store: ProjectStore, captioner: Captioner, prompt: PromptSettings) -> Sight:
    """The stills that a captioner is shown, as far as they are kept: large ones only where it makes use of them."""
    size = wanted_size(captioner, prompt)
    if size > FRAME_SIZE:
        try:
            return Sight(FrameStore.open(store.folder / "frames" / LARGE), size)
        except MediaError:
            pass  # the film is no larger, or was described by another captioner
    return Sight(small, prompt.still_size)
