from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoModel, AutoModelForImageTextToText, AutoModelForMultimodalLM

from calvin.core.errors import DataError, FeatureError, UsageError
from calvin.core.tokens import IGNORE_INDEX
from calvin.model import CalvinForConditionalGeneration

Batch = dict[str, Tensor]


def labelled(batch: Batch) -> Tensor:
    labels = torch.full_like(batch["input_ids"], IGNORE_INDEX)
    labels[0, 8:] = batch["input_ids"][0, 8:]
    labels[1, 10:] = batch["input_ids"][1, 10:]
    return labels


def test_only_placeholders_are_replaced(model: CalvinForConditionalGeneration, batch: Batch) -> None:
    embeds = model.embed_inputs(**{key: value for key, value in batch.items() if key != "attention_mask"})
    is_visual = batch["input_ids"] == 97
    words = model.get_input_embeddings()(batch["input_ids"].masked_fill(is_visual, 0))
    assert torch.equal(embeds[~is_visual], words[~is_visual])
    visual = model.projector(batch["image_embeds"][[0, 2]], batch["frame_mask"][[0, 2]])
    assert torch.equal(embeds[is_visual], visual.flatten(0, 1))


def test_a_row_of_text_does_not_see_its_frames(model: CalvinForConditionalGeneration, batch: Batch) -> None:
    logits = model(**batch).logits
    batch["image_embeds"][1] = 1e6
    assert torch.equal(model(**batch).logits, logits)
    alone = model(input_ids=batch["input_ids"][1:2]).logits
    # the same numbers in another batch shape: matrix products are then summed in another order
    torch.testing.assert_close(alone, logits[1:2], rtol=1e-4, atol=1e-5)


def test_loss_is_the_mean_over_labelled_tokens(model: CalvinForConditionalGeneration, batch: Batch) -> None:
    labels = labelled(batch)
    full = model(**batch).logits
    out = model(**batch, labels=labels)
    expected = functional.cross_entropy(full[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
    torch.testing.assert_close(out.loss, expected)
    assert out.label_positions.tolist() == [7, 8, 9, 10]
    torch.testing.assert_close(out.logits, full[:, out.label_positions], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model(**batch, labels=labels, num_items_in_batch=1).loss, expected * 6)


def test_a_batch_without_labels_costs_nothing(model: CalvinForConditionalGeneration, batch: Batch) -> None:
    assert model(**batch, labels=torch.full_like(batch["input_ids"], IGNORE_INDEX)).loss.item() == 0.0


def test_padding_on_either_side_changes_nothing(model: CalvinForConditionalGeneration, batch: Batch) -> None:
    row = {key: value[:1] for key, value in batch.items()}
    plain = model(**row).logits
    pad = torch.zeros(1, 3, dtype=torch.long)
    for left in (True, False):
        padded = dict(row)
        for name in ("input_ids", "attention_mask"):
            padded[name] = torch.cat([pad, row[name]] if left else [row[name], pad], dim=1)
        logits = model(**padded).logits
        kept = logits[:, 3:] if left else logits[:, :-3]
        torch.testing.assert_close(kept, plain, rtol=1e-4, atol=1e-5)


def test_pixels_and_their_vectors_give_the_same(seeing_model: CalvinForConditionalGeneration, batch: Batch) -> None:
    pixels = torch.randn(3, 8, 3, 32, 48)
    batch.pop("image_embeds")
    vectors = seeing_model.encode_frames(pixels)
    assert vectors.shape == (3, 8, 16)
    from_pixels = seeing_model(**batch, pixel_values=pixels).logits
    from_vectors = seeing_model(**batch, image_embeds=vectors).logits
    torch.testing.assert_close(from_pixels, from_vectors, rtol=1e-4, atol=1e-5)


def test_masked_frames_are_not_run(seeing_model: CalvinForConditionalGeneration) -> None:
    pixels = torch.full((2, 3, 3, 32, 48), float("nan"))
    pixels[:, 0] = 0.5
    vectors = seeing_model.encode_frames(pixels, torch.tensor([[1, 0, 0], [1, 0, 0]]))
    assert vectors.isfinite().all()
    assert vectors[:, 1:].abs().sum() == 0


def test_wrong_inputs_are_told_with_counts(model: CalvinForConditionalGeneration, batch: Batch) -> None:
    short = batch["input_ids"].clone()
    short[0, 4] = 5
    with pytest.raises(DataError, match=r"3 visual placeholders, the model fills 4"):
        model(**{**batch, "input_ids": short})
    with pytest.raises(DataError, match=r"2 rows hold visual placeholders but no visual"):
        model(batch["input_ids"], batch["attention_mask"])
    with pytest.raises(FeatureError, match=r"2 visuals for 3 rows"):
        model(**{**batch, "image_embeds": batch["image_embeds"][:2]})
    with pytest.raises(FeatureError, match=r"17.*16"):
        model(**{**batch, "image_embeds": torch.zeros(3, 8, 17)})
    with pytest.raises(UsageError, match=r"no vision tower.*tiny-tower"):
        model(batch["input_ids"], pixel_values=torch.zeros(3, 1, 3, 32, 48))
    with pytest.raises(DataError, match="input_ids or inputs_embeds"):
        model()


def test_a_frozen_tower_stays_frozen_in_training(seeing_model: CalvinForConditionalGeneration, batch: Batch) -> None:
    before = {name: tensor.clone() for name, tensor in seeing_model.vision_tower.state_dict().items()}
    seeing_model.train()
    batch.pop("image_embeds")
    loss = seeing_model(**batch, pixel_values=torch.randn(3, 8, 3, 32, 48), labels=labelled(batch)).loss
    loss.backward()
    assert all(torch.equal(tensor, before[name]) for name, tensor in seeing_model.vision_tower.state_dict().items())
    assert all(parameter.grad is None for parameter in seeing_model.vision_tower.parameters())
    unused = [name for name, p in seeing_model.named_parameters() if p.requires_grad and p.grad is None]
    assert unused == []


def test_bf16_autocast_on_cpu(model: CalvinForConditionalGeneration, batch: Batch) -> None:
    labels = labelled(batch)
    exact = model(**batch, labels=labels).loss
    with torch.autocast("cpu", torch.bfloat16):
        rough = model(**batch, labels=labels).loss
    assert rough.dtype == torch.float32
    assert rough.item() == pytest.approx(exact.item(), rel=0.05)  # bf16 keeps 8 bits


@pytest.mark.parametrize("tied", [True, False])
def test_saved_and_loaded_is_bit_for_bit_the_same(config_of, tied: bool, batch: Batch, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    model = CalvinForConditionalGeneration(config_of(tied=tied, tower=True)).eval()
    logits = model(**batch).logits
    model.save_pretrained(tmp_path)
    for auto_class in (AutoModel, AutoModelForImageTextToText, AutoModelForMultimodalLM):
        again = auto_class.from_pretrained(tmp_path)
        assert isinstance(again, CalvinForConditionalGeneration)
        assert torch.equal(again(**batch).logits, logits)
        assert not any(parameter.requires_grad for parameter in again.vision_tower.parameters())
        same = again.get_input_embeddings().weight is again.get_output_embeddings().weight
        assert same is tied


def test_in_half_precision_the_projector_keeps_float32(
    model: CalvinForConditionalGeneration, batch: Batch, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path)
    half = AutoModel.from_pretrained(tmp_path, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in half.projector.parameters()} == {torch.float32}
    assert half.decoder.dtype == torch.bfloat16
    labels = labelled(batch)
    exact = model(**batch, labels=labels).loss
    assert half(**batch, labels=labels).loss.item() == pytest.approx(exact.item(), rel=0.05)


def test_generate_gives_new_tokens_only(model: CalvinForConditionalGeneration, batch: Batch) -> None:
    torch.manual_seed(1)
    for options in (
        {"num_beams": 1},
        {"num_beams": 3, "num_return_sequences": 2},
        {"do_sample": True, "top_p": 0.9, "num_return_sequences": 2},
        {"num_beams": 3, "do_sample": True, "temperature": 0.7},
        {"num_beams": 3, "temperature": 0.7},
    ):
        sequences = model.generate(**batch, max_new_tokens=5, **options)
        assert sequences.shape[0] == 3 * options.get("num_return_sequences", 1)
        assert 1 <= sequences.shape[1] <= 5


def test_candidates_are_ranked(model: CalvinForConditionalGeneration, batch: Batch) -> None:
    groups = model.generate_candidates(**batch, max_new_tokens=6, num_beams=4)
    assert [len(group) for group in groups] == [4, 4, 4]
    for group in groups:
        assert [item.score for item in group] == sorted((item.score for item in group), reverse=True)
        assert len({item.token_ids for item in group}) == 4
    best = model.generate(**batch, max_new_tokens=6, num_beams=4)
    assert [item[0].token_ids for item in groups] == [
        tuple(token for token in row if token not in (0, 2)) for row in best.tolist()
    ]
