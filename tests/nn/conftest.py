"""Random specifications that are always valid, for the contract between the notation's table and the built module."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

COUNT = 300


@dataclass
class Generator:
    """Writes random specifications while following their shapes by rules of its own."""

    rng: random.Random
    strides: int = 1
    ups: int = 1

    def spec(self) -> str:
        rng = self.rng
        if rng.random() < 0.06:
            shape: list[int] = [rng.randint(2, 40)]
            start = f"INPUT {shape[0]}"
        else:
            shape = [rng.randint(5, 19), rng.randint(5, 19), rng.choice([1, 2, 3, 4, 6])]
            start = "INPUT {}x{}x{}".format(*shape)
        items = [self.item(shape, 2) for _ in range(rng.randint(2, 6))]
        if len(shape) == 3 and rng.random() < 0.5:
            items.append(self.norm_over_positions(shape))
            items += [self.item(shape, 0)]
        if len(shape) == 3 and rng.random() < 0.6:
            items.append(rng.choice(["GAP", f"FC-{rng.randint(2, 9)}"]))
            shape[:] = [shape[2] if items[-1] == "GAP" else int(items[-1][3:])]
        if len(shape) == 1:
            items += [self.item(shape, 1) for _ in range(rng.randint(0, 3))]
        text = " | ".join([start, *[item for item in items if item]])
        return text.lower() if rng.random() < 0.3 else text

    def item(self, shape: list[int], depth: int) -> str:
        makers = [self.pointwise]
        if len(shape) == 1:
            makers += [self.fully_connected] * 2
        else:
            makers += [self.conv] * 4 + [self.pool] * 2 + [self.upconv]
        if depth:
            makers += [self.residual, self.concat, self.repeat]
            makers += [self.u_net] if len(shape) == 3 else []
            maker = self.rng.choice(makers)
            if maker in (self.residual, self.concat, self.repeat, self.u_net):
                return maker(shape, depth - 1)  # type: ignore[operator]
            return maker(shape)
        return self.rng.choice(makers)(shape)

    def chain(self, shape: list[int], depth: int, keep: bool) -> str:
        """Items one after the other; with `keep` rows and columns stay as they are."""
        items = []
        for _ in range(self.rng.randint(1, 3)):
            if not keep:
                items.append(self.item(shape, depth))
            elif depth and len(shape) == 3 and self.rng.random() < 0.35:
                items.append(self.rng.choice([self.concat, self.repeat, self.u_net])(shape, depth - 1))
            elif len(shape) == 1:
                items.append(self.rng.choice([self.pointwise, self.fully_connected])(shape))
            else:
                items.append(self.rng.choice([self.pointwise, self.same_conv, self.same_pool])(shape))
        return " | ".join(items)

    def divisor(self, *numbers: int) -> int:
        return self.rng.choice([n for n in range(1, max(numbers) + 1) if all(m % n == 0 for m in numbers)])

    def stride(self, size: int) -> int:
        most = min(3, size, 6 // self.strides)
        stride = self.rng.randint(1, max(1, most))
        self.strides *= stride
        return stride

    def conv(self, shape: list[int]) -> str:
        rng, room = self.rng, min(shape[:2])
        size = rng.choice([n for n in (1, 2, 3, 4, 5) if n <= room])
        dilation = rng.choice([1, 1, 1, 2, 3])
        reach = dilation * (size - 1)
        filters = rng.choice([1, 2, 3, 4, 6])
        words = [f"CONV{size}-{filters}"]
        padding = dilation * (size - 1) // 2
        least = max(0, -(-(reach + 1 - room) // 2))
        if size % 2 == 0 or rng.random() < 0.3 or padding < least:
            padding = rng.randint(least, max(least, reach))
            words.append(f"pad{padding}")
        stride = self.stride(size)
        groups = self.divisor(shape[2], filters)
        words += (
            [f"/{stride}"] * (stride > 1) + [f"dil{dilation}"] * (dilation > 1) + [f"groups{groups}"] * (groups > 1)
        )
        words += ["nobias"] * (rng.random() < 0.3)
        shape[:] = [*((n + 2 * padding - reach - 1) // stride + 1 for n in shape[:2]), filters]
        return words[0] + " " + " ".join(sorted(words[1:], key=lambda _: rng.random()))

    def pool(self, shape: list[int]) -> str:
        rng, room = self.rng, min(shape[:2])
        size = rng.choice([n for n in (1, 2, 3, 4) if n <= room])
        average = rng.random() < 0.4
        dilation = 2 if not average and size > 1 and 2 * size - 1 <= room and rng.random() < 0.2 else 1
        reach = dilation * (size - 1)
        padding = rng.randint(0, min(size // 2, reach))
        stride, ceil = self.stride(size), rng.random() < 0.4
        sides = []
        for n in shape[:2]:
            starts = range(-padding, n, stride)  # those that fit, and with ceil one more over the end
            fitting = sum(start + reach < n + padding for start in starts)
            more = ceil and len(starts) > fitting and starts[fitting - 1] + reach < n + padding - 1
            sides.append(fitting + more)
        shape[:2] = sides
        words = [f"POOL{size}", f"/{stride}"] + [f"pad{padding}"] * (padding > 0) + [f"dil{dilation}"] * (dilation > 1)
        return " ".join(words + ["avg"] * average + ["ceil"] * ceil)

    def upconv(self, shape: list[int]) -> str:
        rng = self.rng
        if self.ups >= 4 or max(shape[:2]) > 40:
            return self.conv(shape)
        size = rng.randint(1, 4)
        stride = rng.randint(1, min(size, 3))
        self.ups *= stride
        padding = rng.randint(0, size - 1)
        if min((n - 1) * stride - 2 * padding + size for n in shape[:2]) < 2:
            padding = 0
        filters = rng.choice([1, 2, 4])
        groups = self.divisor(shape[2], filters)
        shape[:] = [*((n - 1) * stride - 2 * padding + size for n in shape[:2]), filters]
        words = [f"UPCONV{size}-{filters}", f"/{stride}", f"pad{padding}"] + [f"groups{groups}"] * (groups > 1)
        return " ".join(words)

    def same_conv(self, shape: list[int]) -> str:
        size, dilation = self.rng.choice([1, 3, 5]), self.rng.choice([1, 1, 2])
        shape[2] = self.rng.choice([1, 2, 4])
        return f"CONV{size}-{shape[2]}" + (f" dil{dilation}" if dilation > 1 else "")

    def same_pool(self, shape: list[int]) -> str:
        return self.rng.choice(["POOL3 /1 pad1", "POOL3 /1 pad1 avg"])

    def fully_connected(self, shape: list[int]) -> str:
        shape[:] = [self.rng.randint(2, 9)]
        return f"FC-{shape[0]}" + " nobias" * (self.rng.random() < 0.3)

    def pointwise(self, shape: list[int]) -> str:
        rng = self.rng
        choices = ["RELU", "LRELU", "ELU", "GELU", "SIGMOID", "TANH", "BN", "BN", "DROPOUT0.5", "DROPOUT.0"]
        if len(shape) == 3:
            choices.append("LRN")
        if shape[-1] % 2 == 0 and shape[-1] > 2:
            choices += ["MAXOUT2"] * 2
        choice = rng.choice(choices)
        if choice == "MAXOUT2":
            shape[-1] //= 2
        return choice

    def norm_over_positions(self, shape: list[int]) -> str:
        if shape[0] * shape[1] < 2:
            return "BN"
        return self.rng.choice(["LN", "IN", f"GN{self.divisor(shape[2])}"])

    def residual(self, shape: list[int], depth: int) -> str:
        drop = " | DROPPATH0.25" * (self.rng.random() < 0.3)
        if len(shape) == 1:
            return f"RES[FC-{shape[0]} | RELU{drop}]"
        if self.rng.random() < 0.5:
            before = shape[2]
            return f"RES[{self.chain(shape, depth, True)} | CONV3-{self.set_channels(shape, before)}{drop}]"
        stride, filters = self.stride(3), self.rng.choice([2, 4])
        before = shape[2]
        body = f"CONV{self.rng.choice([1, 3, 5])}-{filters} /{stride}"
        shape[:] = [*((n - 1) // stride + 1 for n in shape[:2]), filters]
        body = f"{body} | {self.chain(shape, depth, True)} | CONV1-{self.set_channels(shape, filters)}"
        shortcut = f"CONV1-{filters} /{stride} nobias | BN"
        if self.rng.random() < 0.3:
            shortcut = f"POOL3 /{stride} pad1 | CONV1-{filters} groups{self.divisor(before, filters)}"
        return f"RES[{body}{drop} ; {shortcut}]"

    def set_channels(self, shape: list[int], channels: int) -> int:
        shape[2] = channels
        return channels

    def concat(self, shape: list[int], depth: int) -> str:
        if len(shape) == 1:
            first = shape[0]
            shape[0] = first + 3
            return "CAT[ ; FC-3]"
        branches, channels = [], 0
        for _ in range(self.rng.randint(2, 3)):
            inner = list(shape)
            branches.append("" if self.rng.random() < 0.25 else self.chain(inner, depth, True))
            channels += inner[2]
        shape[2] = channels
        return f"CAT[{' ; '.join(branches)}]"

    def repeat(self, shape: list[int], depth: int) -> str:
        count = self.rng.randint(2, 3)
        if len(shape) == 1:
            return f"(FC-{shape[0]} | {self.rng.choice(['RELU', 'BN'])})*{count}"
        if self.rng.random() < 0.3 and shape[2] <= 4:
            shape[2] += 2 * count
            return f"(CAT[ ; BN | CONV3-2])*{count}"
        before = shape[2]
        inner = f"{self.chain(shape, depth, True)} | CONV3-{before} dil2"
        shape[2] = before
        return f"({inner})*{count}"

    def u_net(self, shape: list[int], depth: int) -> str:
        if self.strides * 2 > 6 or self.ups >= 4 or min(shape[:2]) < 2:
            return self.concat(shape, depth)
        even = [n % 2 == 0 for n in shape[:2]]
        if even[0] != even[1]:
            return self.concat(shape, depth)
        self.strides *= 2
        self.ups *= 2
        inner = [*((n + 1) // 2 for n in shape[:2]), shape[2]]
        middle = self.chain(inner, depth, True)
        shape[2] += 2
        if even[0]:
            return f"CAT[ ; POOL2 | {middle} | UPCONV2-2]"
        return f"CAT[ ; POOL3 /2 pad1 | {middle} | UPCONV3-2 /2 pad1]"


@pytest.fixture(scope="session")
def specifications() -> list[str]:
    """The same 300 each time."""
    return [Generator(random.Random(seed)).spec() for seed in range(COUNT)]
