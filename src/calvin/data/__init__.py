"""Data sets: feature store, readers, cleaning, instructions, mixture, collation."""

from calvin.data.cleaning import (
    CreditTagger,
    KeywordCredits,
    is_coordinate_turn,
    remove_credits,
    scrub_captions,
    scrub_numbers,
)
from calvin.data.collate import collate, pad_frames
from calvin.data.feature_files import FeatureWriter
from calvin.data.features import (
    CachedFeatures,
    Encoder,
    FeatureFolder,
    Features,
    FeatureStore,
    MemoryFeatures,
    open_features,
)
from calvin.data.instructions import TRAINING_CONTEXT, Example, Instructions, in_order, with_context
from calvin.data.mixture import BATCH_SIZES, Mixture, Source
from calvin.data.readers.llava import read_llava
from calvin.data.readers.movies import read_cmd_ad, read_lsmdc, read_mad_csv, read_mad_v1, read_tv_ad
from calvin.data.readers.registry import READERS, ReaderManifest, read
from calvin.data.readers.shards import read_webdataset
from calvin.data.readers.tvc import read_tvc, read_tvr
from calvin.data.readers.web_captions import read_cc3m, read_cc12m, read_webvid
from calvin.data.samples import DropReport, FilmName, Kind, ReadResult, Sample, media_id_of
from calvin.data.sources import SourceConfig, load_source, load_sources, read_samples

__all__ = [
    "BATCH_SIZES",
    "READERS",
    "TRAINING_CONTEXT",
    "CachedFeatures",
    "CreditTagger",
    "DropReport",
    "Encoder",
    "Example",
    "FeatureFolder",
    "FeatureStore",
    "FeatureWriter",
    "Features",
    "FilmName",
    "Instructions",
    "KeywordCredits",
    "Kind",
    "MemoryFeatures",
    "Mixture",
    "ReadResult",
    "ReaderManifest",
    "Sample",
    "Source",
    "SourceConfig",
    "collate",
    "in_order",
    "is_coordinate_turn",
    "load_source",
    "load_sources",
    "media_id_of",
    "open_features",
    "pad_frames",
    "read",
    "read_cc3m",
    "read_cc12m",
    "read_cmd_ad",
    "read_llava",
    "read_lsmdc",
    "read_mad_csv",
    "read_mad_v1",
    "read_samples",
    "read_tv_ad",
    "read_tvc",
    "read_tvr",
    "read_webdataset",
    "read_webvid",
    "remove_credits",
    "scrub_captions",
    "scrub_numbers",
    "with_context",
]
