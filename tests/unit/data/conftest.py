from __future__ import annotations

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from calvin.core.prompts import TRAINING_QUESTIONS
from calvin.core.tokens import TokenLayout

WORDS = " ".join(TRAINING_QUESTIONS).split() + [f"w{number}" for number in range(200)]


@pytest.fixture(scope="session")
def layout() -> TokenLayout:
    """Words as tokens; 4 visual placeholders, at most 64 ids."""
    words = ["<pad>", "<s>", "</s>", "<visual>", "<unk>", *dict.fromkeys(WORDS)]
    model = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    model.pre_tokenizer = Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=model, pad_token="<pad>", unk_token="<unk>")
    return TokenLayout(tokenizer, 1, 2, 3, num_query_tokens=4, max_length=64)
