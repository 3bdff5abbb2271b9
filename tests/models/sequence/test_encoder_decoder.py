"""The transformer of two parts: step by step as at once, blind to padding and other sentences, searched unchanged."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from chainrule.core.errors import RecipeError, UsageError
from chainrule.data.tokenizers import END, PADDING, START
from chainrule.decoding import Beam, Sampling, beam_search, sample
from chainrule.models.sequence._encoder_decoder import EncoderDecoder

SMALL: dict[str, Any] = {"width": 16, "num_heads": 2, "layers": 2}
FORMS: dict[str, dict[str, Any]] = {
    "the paper's": {"order": "post", "tie": "all"},
    "pre, learned": {"positions": "learned", "length": 30},
    "inner, concatenated": {"order": "inner", "join": "concatenate", "tie": "none", "activation": "gelu"},
    "rotary": {"positions": "rotary", "scale": False},
    "naive": {"positions": "naive", "scale": False, "tie": "none"},
}
VOCABULARY = 13


@pytest.fixture(params=FORMS)
def model(request: pytest.FixtureRequest) -> EncoderDecoder:
    torch.manual_seed(0)
    return EncoderDecoder(VOCABULARY, VOCABULARY, **{**SMALL, **FORMS[request.param]}).double().eval()


def tokens(*shape: int) -> Tensor:
    return torch.randint(4, VOCABULARY, shape)


def test_step_by_step_is_the_whole_pass(model: EncoderDecoder) -> None:
    source, target = tokens(3, 5), tokens(3, 8)
    begun = model.encode(source)
    whole, _ = model(target, begun)
    assert whole.shape == (3, 8, VOCABULARY)
    state, pieces = begun, []
    for begin, end in ((0, 1), (1, 2), (2, 6), (6, 8)):
        scores, state = model(target[:, begin:end], state)
        assert all(len(value) == 3 for value in state.values())
        pieces.append(scores)
    torch.testing.assert_close(torch.cat(pieces, 1), whole)
    again, _ = model(target, begun)  # reading leaves the state that it was given as it was
    torch.testing.assert_close(again, whole)


def test_neither_padding_nor_other_sentences_change_a_score(model: EncoderDecoder) -> None:
    long, short, target = tokens(1, 7), tokens(1, 4), tokens(2, 5)
    padded = torch.full((2, 7), PADDING)
    padded[0], padded[1, :4] = long, short
    together, _ = model(target, model.encode(padded))
    torch.testing.assert_close(together[:1], model(target[:1], model.encode(long))[0])
    torch.testing.assert_close(together[1:], model(target[1:], model.encode(short))[0])
    cut = target.clone()
    cut[:, 3:] = PADDING
    torch.testing.assert_close(model(cut, model.encode(padded))[0][:, :3], together[:, :3])


def test_every_parameter_gets_a_gradient(model: EncoderDecoder) -> None:
    scores, _ = model.train()(tokens(4, 6), model.encode(tokens(4, 5)))
    nn.functional.cross_entropy(scores.flatten(0, 1), tokens(24)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(parameter.grad.isfinite().all()), name
        assert parameter.grad.abs().max() > 0, name


def test_the_search_and_the_sampling_of_any_network_go_over_it(model: EncoderDecoder) -> None:
    source = tokens(2, 6)
    source[1, 4:] = PADDING
    how = Beam(3, 6, END, best=3, forbidden=(PADDING, START))
    prompts = torch.full((2, 1), START)
    together = beam_search(model, prompts, how, state=model.encode(source))
    for row, length in enumerate((6, 4)):
        alone = beam_search(model, prompts[:1], how, state=model.encode(source[row : row + 1, :length]))[0]
        assert [one.tokens for one in alone] == [one.tokens for one in together[row]]
        assert [one.log_p for one in alone] == pytest.approx([one.log_p for one in together[row]], abs=1e-9)
        best = together[row][0]
        written = torch.tensor([[START, *best.tokens[:-1]]])
        log_p = model(written, model.encode(source[row : row + 1]))[0].log_softmax(-1)[0].detach()
        assert best.log_p == pytest.approx(sum(float(log_p[i, t]) for i, t in enumerate(best.tokens)), abs=1e-9)
    greedy = beam_search(model, prompts, Beam(1, 6, END), state=model.encode(source))
    generator = torch.Generator()
    drawn = torch.stack(
        list(sample(model.reader(source), prompts, 6, Sampling(temperature=0.0), generator=generator, reach=100)), 1
    )
    for row in (0, 1):
        found = greedy[row][0].tokens
        assert drawn[row, : len(found)].tolist() == list(found)


def test_a_source_of_padding_alone_gives_scores() -> None:
    model = EncoderDecoder(VOCABULARY, VOCABULARY, **SMALL)
    scores, _ = model(tokens(1, 3), model.encode(torch.full((1, 2), PADDING)))
    scores.sum().backward()
    assert bool(scores.isfinite().all())
    assert all(bool(p.grad.isfinite().all()) for p in model.parameters() if p.grad is not None)


def test_tied_weights_are_one() -> None:
    models = {tie: EncoderDecoder(VOCABULARY, VOCABULARY, **SMALL, tie=tie) for tie in ("none", "target", "all")}
    counts = {tie: sum(p.numel() for p in one.parameters()) for tie, one in models.items()}
    table = VOCABULARY * SMALL["width"]
    assert counts["none"] - counts["target"] == counts["target"] - counts["all"] == table
    assert models["all"].embed_source.weight is models["all"].head.weight


def test_embeddings_are_scaled_before_positions_are_added() -> None:
    """With positions at 0, embeddings times sqrt(D) enter the encoder."""
    model = EncoderDecoder(VOCABULARY, VOCABULARY, **SMALL, positions="none", dropout=0.0)
    source = tokens(1, 4)
    wanted = model.encoder(model.embed_source(source) * 4.0)
    torch.testing.assert_close(model.encode(source)["memory.keys.0"], model.decoder.read(wanted)[0].keys)


def test_it_learns_to_turn_a_sequence_round() -> None:
    torch.manual_seed(0)
    model = EncoderDecoder(VOCABULARY, VOCABULARY, width=32, num_heads=2, layers=1, dropout=0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(150):
        source = tokens(32, 4)
        target = source.flip(1)
        given = torch.cat([torch.full((32, 1), START), target[:, :-1]], 1)
        loss = nn.functional.cross_entropy(model(given, model.encode(source))[0].flatten(0, 1), target.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    source = tokens(20, 4)
    found = beam_search(model.eval(), torch.full((20, 1), START), Beam(1, 4, END), state=model.encode(source))
    right = [list(one[0].tokens) == row for one, row in zip(found, source.flip(1).tolist(), strict=True)]
    assert sum(right) >= 18


def test_no_source_is_said() -> None:
    with pytest.raises(UsageError, match=r"state = model.encode\(source\) comes first"):
        EncoderDecoder(5, 5, **SMALL)(tokens(1, 2), None)


def test_a_sequence_longer_than_the_table_is_said() -> None:
    model = EncoderDecoder(VOCABULARY, VOCABULARY, **SMALL, positions="learned", length=4)
    with pytest.raises(UsageError, match="at most 4 tokens, got 5"):
        model.encode(tokens(1, 5))
    with pytest.raises(UsageError, match="at most 4 tokens, got 5"):
        model(tokens(1, 5), model.encode(tokens(1, 3)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tie": "al"}, 'did you mean "all"'),
        ({"tie": "all"}, "one tokenizer for both languages, or tie: target, got 5 and 6 tokens"),
        ({"activation": "rleu"}, 'did you mean "relu"'),
        ({"width": 10, "num_heads": 4}, "divide 10"),
        ({"join": "concatenate"}, "nothing tied"),
        ({"positions": "sinusodial"}, 'did you mean "sinusoidal"'),
        ({"layers": 0}, "0 blocks"),
        ({"dropout": 1.0}, "probability of dropping"),
    ],
)
def test_what_cannot_be_built_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        EncoderDecoder(5, 6, **options)
