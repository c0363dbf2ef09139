"""Beam search that runs each prompt once, against transformers' own `generate`, which runs it once per beam.

    python benchmarks/beam_search.py [--batch 8] [--beams 5] [--prompt 180] [--new 20] [--size 60m] [--rounds 3]

Both decode the same left-padded prompts with the same random Llama, dtype and settings; the tokens are compared. Prints
the median time of each and their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from calvin.model.generation import options_from, search_by

SIZES = {
    "mini": {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4, "num_attention_heads": 4},
    "60m": {"hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 12, "num_attention_heads": 8},
    "135m": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
    },
}


def timed(run: Callable[[], torch.Tensor]) -> tuple[float, torch.Tensor]:
    start = time.perf_counter()
    tokens = run()
    if tokens.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter() - start, tokens


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--beams", type=int, default=5)
    parser.add_argument("--prompt", type=int, default=180)
    parser.add_argument("--new", type=int, default=20)
    parser.add_argument("--size", choices=SIZES, default="60m")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    config = LlamaConfig(
        **SIZES[arguments.size],
        vocab_size=16_000,
        max_position_embeddings=1024,
        initializer_range=0.05,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    model = LlamaForCausalLM(config).to(arguments.device, getattr(torch, arguments.dtype)).eval()
    input_ids = torch.randint(3, config.vocab_size, (arguments.batch, arguments.prompt), device=arguments.device)
    mask = torch.ones_like(input_ids)
    for row in range(arguments.batch):
        mask[row, : 4 * row] = 0
    embeds = model.get_input_embeddings()(input_ids).detach()
    settings = {"max_new_tokens": arguments.new, "num_beams": arguments.beams}
    options = options_from(None, config, settings)

    def theirs() -> torch.Tensor:
        return model.generate(inputs_embeds=embeds, attention_mask=mask, do_sample=False, **settings)

    def ours() -> torch.Tensor:
        with torch.no_grad():
            return search_by(options)(model, embeds, mask, options, None).sequences

    timed(ours), timed(theirs)
    rounds = [(timed(theirs), timed(ours)) for _ in range(arguments.rounds)]
    same = all(torch.equal(a[1], b[1]) for a, b in rounds)
    slow, fast = (statistics.median(pair[side][0] for pair in rounds) for side in (0, 1))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"Llama of {parameters / 1e6:.0f} M, {arguments.dtype}, {arguments.device}, {arguments.threads} threads: "
        f"batch {arguments.batch}, beam {arguments.beams}, prompt {arguments.prompt}, {arguments.new} new tokens"
    )
    print(f"transformers {slow:.2f} s, calvin {fast:.2f} s: {slow / fast:.2f} times as fast; same tokens: {same}")
    if not same:
        raise SystemExit("The tokens differ.")


if __name__ == "__main__":
    main()
