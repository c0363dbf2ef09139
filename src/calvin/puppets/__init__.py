"""The puppet film world: script, render, truth, and files in the formats of the real data sets."""

from calvin.puppets.draw.render import TRAINING_SIZE, frame_times, iter_frames, render_at, render_scene
from calvin.puppets.film import film_truth, render_film
from calvin.puppets.lexicon import ACTIONS, COLOURS, NAMES, PLACES, PROPS
from calvin.puppets.tell.captions import STYLES, caption_rng, film_captions, film_style, look_caption, write_caption
from calvin.puppets.tell.screenplay import Film, Person, Scene, Split, make_film, random_scene
from calvin.puppets.truth import Look, SceneTruth, action_of, names_in, place_of, score_caption
from calvin.puppets.world import WorldSizes, write_world

__all__ = [
    "ACTIONS",
    "COLOURS",
    "NAMES",
    "PLACES",
    "PROPS",
    "STYLES",
    "TRAINING_SIZE",
    "Film",
    "Look",
    "Person",
    "Scene",
    "SceneTruth",
    "Split",
    "WorldSizes",
    "action_of",
    "caption_rng",
    "film_captions",
    "film_style",
    "film_truth",
    "frame_times",
    "iter_frames",
    "look_caption",
    "make_film",
    "names_in",
    "place_of",
    "random_scene",
    "render_at",
    "render_film",
    "render_scene",
    "score_caption",
    "write_caption",
    "write_world",
]
