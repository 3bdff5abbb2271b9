"""What a network looked at: computed beside it, from the same calls."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from chainrule.models.sequence._encoder_decoder import EncoderDecoder
from chainrule.models.sequence._gpt import GPT
from chainrule.models.sequence._seq2seq import Seq2SeqAttention
from chainrule.nn.attention import attention_maps


def test_every_attention_tells_and_nothing_changes() -> None:
    torch.manual_seed(0)
    model = EncoderDecoder(9, 9, width=8, num_heads=2, layers=2).double().eval()
    source, target = torch.tensor([[5, 6, 7, 8], [5, 6, 0, 0]]), torch.tensor([[2, 4, 5], [2, 5, 4]])
    wanted, _ = model(target, model.encode(source))
    with attention_maps(model) as found:
        again, _ = model(target, model.encode(source))
    assert torch.equal(again, wanted)
    assert [name for name, _ in found] == [
        "encoder.blocks.0.attention",
        "encoder.blocks.1.attention",
        "decoder.blocks.0.attention",
        "decoder.blocks.0.cross",
        "decoder.blocks.1.attention",
        "decoder.blocks.1.cross",
    ]
    for name, weights in found:
        places = 4 if name.startswith("encoder") or name.endswith("cross") else 3
        assert weights.shape == (2, 2, 4 if name.startswith("encoder") else 3, places)
        torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    assert found[-1].weights[1, :, :, 2:].abs().max() == 0  # padding
    assert found[-2].weights.triu(1).abs().max() == 0  # the future
    model(target, model.encode(source[:, :2]))
    assert len(found) == 6  # over: nothing is watched any more


def test_each_call_is_told() -> None:
    model = GPT(9, width=8, layers=1, num_heads=2).eval()
    with attention_maps(nn.ModuleDict({"gpt": model})) as found:
        _, state = model(torch.tensor([[1, 2, 3]]))
        model(torch.tensor([[4]]), state)
    assert [(name, tuple(weights.shape)) for name, weights in found] == [
        ("gpt.blocks.0.attention", (1, 2, 3, 3)),
        ("gpt.blocks.0.attention", (1, 2, 1, 4)),  # the one token that is new looks at all that was read
    ]


@pytest.mark.parametrize("enters", ["state", "readout", "next"])
def test_a_recurrent_decoder_tells_as_one_head(enters: str) -> None:
    torch.manual_seed(0)
    model = Seq2SeqAttention(9, 9, width=8, enters=enters).double().eval()
    source, target = torch.tensor([[5, 6, 7, 8], [5, 6, 0, 0]]), torch.tensor([[2, 4, 5], [2, 5, 4]])
    wanted, _ = model(target, model.encode(source))
    with attention_maps(model) as found:
        again, _ = model(target, model.encode(source))
    assert torch.equal(again, wanted)
    ((name, weights),) = found
    assert (name, weights.shape) == ("decoder", (2, 1, 3, 4))
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    assert weights[1, :, :, 2:].abs().max() == 0  # padding
