"""Contestants of `../decoding.py`: one network written by several packages, each with its own beam search.

    python translators.py KIND --weights FILE --batch N --threads N

An encoder-decoder of the paper's sizes (6 + 6 layers of 512, 8 heads, 2048 hidden, norms behind the sums, one table for
the tokens of both sides and the scores), with random weights that are the same for all. Every search follows 5
hypotheses for 50 steps: padding, start, end and unknown token may not be written, so that nothing ends.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from turns import quiet_output, take_turns

VOCABULARY, WIDTH, HEADS, LAYERS, HIDDEN, LENGTH = 32_000, 512, 8, 6, 2048, 512
BEAM, STEPS = 5, 50
PADDING, UNKNOWN, START, END = range(4)
NEVER = (PADDING, UNKNOWN, START, END)
LENGTHS = {1: (26,), 8: (20, 30, 25, 28, 22, 27, 24, 21)}
"""Sentences in a batch -> tokens of each."""
Search = Callable[[], list[list[int]]]
"""Encodes the sources and returns the tokens of the best hypothesis of each."""


def sources(batch: int) -> list[list[int]]:
    """Random sentences; the last token of each is the end."""
    generator = torch.Generator().manual_seed(1)
    return [
        [*torch.randint(END + 1, VOCABULARY, (length - 1,), generator=generator).tolist(), END]
        for length in LENGTHS[batch]
    ]


def padded(batch: int) -> torch.Tensor:
    """The sentences, padded at the end."""
    rows = [torch.tensor(row) for row in sources(batch)]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PADDING)


def network() -> torch.nn.Module:
    """Ours, with the weights that all have."""
    from chainrule.models.sequence._encoder_decoder import EncoderDecoder

    torch.manual_seed(0)
    sizes: dict[str, Any] = {"width": WIDTH, "num_heads": HEADS, "layers": LAYERS, "hidden": HIDDEN, "length": LENGTH}
    return EncoderDecoder(VOCABULARY, VOCABULARY, **sizes, order="post", tie="all").eval()


def ours(weights: Path, batch: int, *, int8: bool) -> tuple[Search, dict[str, Any]]:
    """Ours; no token is the one that ends a sequence."""
    from chainrule.core.version import __version__
    from chainrule.decoding import Beam, beam_search
    from chainrule.nn import int8_weights, packed_weights

    model = int8_weights(network()) if int8 else packed_weights(network())
    source, start = padded(batch), torch.full((batch, 1), START)
    how = Beam(BEAM, STEPS, end=VOCABULARY, forbidden=NEVER)

    def search() -> list[list[int]]:
        with torch.inference_mode():
            state = model.encode(source)  # type: ignore[operator]
        return [list(found[0].tokens) for found in beam_search(model, start, how, state=state)]

    return search, {"version": __version__}


def marian(weights: Path) -> Any:
    """The network of Hugging Face."""
    from safetensors.torch import load_file
    from transformers import MarianConfig, MarianMTModel

    sides = {
        f"{side}_{name}": value
        for side in ("encoder", "decoder")
        for name, value in (("layers", LAYERS), ("attention_heads", HEADS), ("ffn_dim", HIDDEN))
    }
    config = MarianConfig(
        vocab_size=VOCABULARY, d_model=WIDTH, max_position_embeddings=LENGTH, scale_embedding=True,
        activation_function="relu", pad_token_id=PADDING, bos_token_id=START, eos_token_id=END,
        decoder_start_token_id=START, forced_eos_token_id=None, **sides,
    )  # fmt: skip
    model = MarianMTModel(config).eval()
    model.load_state_dict(load_file(weights))
    return model


def transformers(weights: Path, batch: int) -> tuple[Search, dict[str, Any]]:
    """`generate` of Hugging Face; the end may not be written."""
    from transformers import __version__

    model, source = marian(weights), padded(batch)
    how = {"num_beams": BEAM, "max_new_tokens": STEPS, "min_new_tokens": STEPS, "do_sample": False}

    def search() -> list[list[int]]:
        mask = (source != PADDING).long()
        found = model.generate(source, attention_mask=mask, suppress_tokens=list(NEVER), **how)
        return found[:, 1:].tolist()  # without the start

    return search, {"version": __version__}


def ctranslate2(weights: Path, batch: int, *, int8: bool) -> tuple[Search, dict[str, Any]]:
    """CTranslate2; the end may not be written before the last step."""
    import ctranslate2 as package
    from ctranslate2.converters.transformers import BartLoader

    kind, model = "int8" if int8 else "float32", marian(weights)
    model.config.normalize_before = model.config.normalize_embedding = False
    spec = BartLoader().get_model_spec(model)
    names = ["<pad>", "<unk>", "<s>", "</s>", *map(str, range(END + 1, VOCABULARY))]
    spec.register_source_vocabulary(names)
    spec.register_target_vocabulary(names)
    spec.config.decoder_start_token = "<s>"
    with tempfile.TemporaryDirectory() as place:
        spec.validate()
        spec.optimize(quantization="int8" if int8 else None)
        spec.save(place)
        translators = {
            threads: package.Translator(place, compute_type=kind, inter_threads=1, intra_threads=threads)
            for threads in {1, torch.get_num_threads()}
        }
    given = [[names[token] for token in row] for row in sources(batch)]
    numbers = {name: token for token, name in enumerate(names)}
    how = {
        "beam_size": BEAM,
        "max_decoding_length": STEPS,
        "min_decoding_length": STEPS,
        "suppress_sequences": [[names[token]] for token in NEVER if token != END],
    }

    def search(threads: int) -> list[list[int]]:
        found = translators[threads].translate_batch(given, **how)
        return [[numbers[name] for name in one.hypotheses[0]] for one in found]

    def seconds(threads: int) -> float:
        start = time.perf_counter()
        search(threads)
        return time.perf_counter() - start

    # where its products take one thread alone, more of them only wait: it has as many as are faster
    several = {threads: sorted(seconds(threads) for _ in range(4))[1] for threads in translators}
    best = min(several, key=lambda threads: several[threads])
    return partial(search, best), {"version": package.__version__, "threads": best}


KINDS: dict[str, Callable[[Path, int], tuple[Search, dict[str, Any]]]] = {
    "ours": lambda weights, batch: ours(weights, batch, int8=False),
    "ours-int8": lambda weights, batch: ours(weights, batch, int8=True),
    "transformers": transformers,
    "ctranslate2": lambda weights, batch: ctranslate2(weights, batch, int8=False),
    "ctranslate2-int8": lambda weights, batch: ctranslate2(weights, batch, int8=True),
}
"""Name of a contestant -> its search and what is told of it."""


def main(args: argparse.Namespace) -> None:
    """Get ready and take turns."""
    out = quiet_output()
    torch.set_num_threads(args.threads)
    search, facts = KINDS[args.kind](args.weights, args.batch)
    search()

    def turn() -> dict[str, Any]:
        start, worked = time.perf_counter(), time.process_time()
        found = search()
        return {
            "seconds": time.perf_counter() - start,
            "processor seconds": time.process_time() - worked,
            "tokens": found,
        }

    take_turns(turn, facts, out=out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("--weights", type=Path, required=True)
    for name in ("batch", "threads"):
        parser.add_argument(f"--{name}", type=int, required=True)
    main(parser.parse_args())
