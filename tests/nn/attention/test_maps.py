"""What a network looked at: computed beside it, from the same calls."""

from __future__ import annotations

import torch
from torch import nn

from chainrule.models.sequence._encoder_decoder import EncoderDecoder
from chainrule.models.sequence._gpt import GPT
from chainrule.nn.attention import attention_maps


def test_every_attention_tells_and_nothing_changes() -> None:
    torch.manual_seed(0)
    model = EncoderDecoder(9, 9, width=8, num_heads=2, layers=2).double().eval()
    source, target = torch.tensor([[5, 6, 7, 8], [5, 6, 0, 0]]), torch.tensor([[2, 4, 5], [2, 5, 4]])
    wanted, _ = model(target, model.encode(source))
    with attention_maps(model) as found:
        again, _ = model(target, model.encode(source))
    assert torch.equal(again, wanted)
    assert list(found) == [
        "encoder.blocks.0.attention",
        "encoder.blocks.1.attention",
        "decoder.blocks.0.attention",
        "decoder.blocks.0.cross",
        "decoder.blocks.1.attention",
        "decoder.blocks.1.cross",
    ]
    for name, weights in found.items():
        places = 4 if name.startswith("encoder") or name.endswith("cross") else 3
        assert weights.shape == (2, 2, 4 if name.startswith("encoder") else 3, places)
        torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    assert found["decoder.blocks.1.cross"][1, :, :, 2:].abs().max() == 0  # padding
    assert found["decoder.blocks.1.attention"].triu(1).abs().max() == 0  # the future
    model(target, model.encode(source[:, :2]))
    assert found["decoder.blocks.1.cross"].shape[-1] == 4  # over: nothing is watched any more


def test_steps_with_what_was_read_tell_the_last_one() -> None:
    model = GPT(9, dim=8, depth=1, num_heads=2).eval()
    _, state = model(torch.tensor([[1, 2, 3]]))
    with attention_maps(nn.ModuleDict({"gpt": model})) as found:
        model(torch.tensor([[4]]), state)
    assert found["gpt.blocks.0.attention"].shape == (1, 2, 1, 4)
