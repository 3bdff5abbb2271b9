"""Which module's call is running, while a network runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook


@dataclass(eq=False)
class Call:
    """One call of one module: `path` as `named_modules` has it (a shared module's first), "" for the network itself.

    `training` is the mode it was in; `inputs` and `outputs` are the values that it was called with, by position, and
    returned.
    """

    index: int
    path: str
    module: nn.Module = field(repr=False)
    time: int  # how many calls of the same module came before
    parent: Call | None = field(repr=False)
    training: bool = True
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()

    @property
    def kind(self) -> str:
        """What sort of module."""
        return type(self.module).__name__

    @property
    def depth(self) -> int:
        """Calls around it."""
        return 0 if self.parent is None else self.parent.depth + 1


class ModuleStack:
    """The calls of modules while the `with` block runs, by hooks that hold for every module and are removed after it.

    `entered` and `left` are told of each call, with what goes in and comes out.
    """

    def __init__(
        self,
        root: nn.Module | None,
        entered: Callable[[Call, Any], None],
        left: Callable[[Call, Any, Any], None],
    ) -> None:
        self.paths = {id(module): path for path, module in root.named_modules()} if root is not None else {}
        self.entered, self.left = entered, left
        self.calls: list[Call] = []
        self.running: list[Call] = []
        self.times: dict[int, int] = {}

    @property
    def current(self) -> Call | None:
        """The innermost call that is running."""
        return self.running[-1] if self.running else None

    def __enter__(self) -> ModuleStack:
        """Begin to listen."""
        self.hooks = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening."""
        for hook in self.hooks:
            hook.remove()

    def _enter(self, module: nn.Module, inputs: Any) -> None:
        call = Call(len(self.calls), self._path(module), module, self.times.get(id(module), 0), self.current,
                    module.training)  # fmt: skip
        self.times[id(module)] = call.time + 1
        self.calls.append(call)
        self.running.append(call)
        self.entered(call, inputs)

    def _leave(self, module: nn.Module, inputs: Any, output: Any) -> None:
        while self.running[-1].module is not module:  # calls that an error, caught since, ended without a word
            self.running.pop()
        self.left(self.running[-1], inputs, output)
        self.running.pop()

    def _path(self, module: nn.Module) -> str:
        """The module's path; one that is not of the network is called by its kind, a second of the kind `Kind#2`."""
        if id(module) not in self.paths:
            kind = type(module).__name__
            same = sum(path.partition("#")[0] == kind for path in self.paths.values())
            name = f"{kind}#{same + 1}" if same else kind
            for inner, part in module.named_modules(prefix=name):
                self.paths.setdefault(id(part), inner)
        return self.paths[id(module)]
