"""Data sets: features, readers, cleaning, instructions, mixture, collation; each is imported when it is wanted."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calvin.data.cleaning import CreditTagger as CreditTagger
    from calvin.data.cleaning import KeywordCredits as KeywordCredits
    from calvin.data.cleaning import is_coordinate_turn as is_coordinate_turn
    from calvin.data.cleaning import remove_credits as remove_credits
    from calvin.data.cleaning import scrub_captions as scrub_captions
    from calvin.data.cleaning import scrub_numbers as scrub_numbers
    from calvin.data.feature_files import FeatureWriter as FeatureWriter
    from calvin.data.features import CachedFeatures as CachedFeatures
    from calvin.data.features import Encoder as Encoder
    from calvin.data.features import FeatureFolder as FeatureFolder
    from calvin.data.features import Features as Features
    from calvin.data.features import FeatureStore as FeatureStore
    from calvin.data.features import MemoryFeatures as MemoryFeatures
    from calvin.data.features import open_features as open_features
    from calvin.data.instructions import TRAINING_CONTEXT as TRAINING_CONTEXT
    from calvin.data.instructions import Example as Example
    from calvin.data.instructions import Instructions as Instructions
    from calvin.data.instructions import in_order as in_order
    from calvin.data.instructions import with_context as with_context
    from calvin.data.mixture import BATCH_SIZES as BATCH_SIZES
    from calvin.data.mixture import Mixture as Mixture
    from calvin.data.mixture import Source as Source
    from calvin.data.mixture import collate as collate
    from calvin.data.mixture import pad_frames as pad_frames
    from calvin.data.readers.llava import read_llava as read_llava
    from calvin.data.readers.movies import read_cmd_ad as read_cmd_ad
    from calvin.data.readers.movies import read_lsmdc as read_lsmdc
    from calvin.data.readers.movies import read_mad_csv as read_mad_csv
    from calvin.data.readers.movies import read_mad_v1 as read_mad_v1
    from calvin.data.readers.movies import read_tv_ad as read_tv_ad
    from calvin.data.readers.movies import read_tvc as read_tvc
    from calvin.data.readers.movies import read_tvr as read_tvr
    from calvin.data.readers.registry import READERS as READERS
    from calvin.data.readers.registry import ReaderManifest as ReaderManifest
    from calvin.data.readers.registry import read as read
    from calvin.data.readers.shards import read_webdataset as read_webdataset
    from calvin.data.readers.web_captions import read_cc3m as read_cc3m
    from calvin.data.readers.web_captions import read_cc12m as read_cc12m
    from calvin.data.readers.web_captions import read_webvid as read_webvid
    from calvin.data.samples import DropReport as DropReport
    from calvin.data.samples import FilmName as FilmName
    from calvin.data.samples import Kind as Kind
    from calvin.data.samples import ReadResult as ReadResult
    from calvin.data.samples import Sample as Sample
    from calvin.data.samples import media_id_of as media_id_of
    from calvin.data.sources import SourceConfig as SourceConfig
    from calvin.data.sources import load_source as load_source
    from calvin.data.sources import load_sources as load_sources
    from calvin.data.sources import read_samples as read_samples

_NAMES = {
    "cleaning": "CreditTagger KeywordCredits is_coordinate_turn remove_credits scrub_captions scrub_numbers",
    "feature_files": "FeatureWriter",
    "features": "CachedFeatures Encoder FeatureFolder FeatureStore Features MemoryFeatures open_features",
    "instructions": "Example Instructions TRAINING_CONTEXT in_order with_context",
    "mixture": "BATCH_SIZES Mixture Source collate pad_frames",
    "readers.llava": "read_llava",
    "readers.movies": "read_cmd_ad read_lsmdc read_mad_csv read_mad_v1 read_tv_ad read_tvc read_tvr",
    "readers.registry": "READERS ReaderManifest read",
    "readers.shards": "read_webdataset",
    "readers.web_captions": "read_cc12m read_cc3m read_webvid",
    "samples": "DropReport FilmName Kind ReadResult Sample media_id_of",
    "sources": "SourceConfig load_source load_sources read_samples",
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    # Lazy, so that listing the formats of annotations for `calvin --help` does not load numpy and pydantic.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"calvin.data.{_MODULES[name]}"), name)
