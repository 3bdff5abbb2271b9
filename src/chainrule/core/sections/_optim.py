"""The section `optim`: which optimizer, and what it does otherwise with some of the parameters."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from chainrule.core.sections._base import Named


class Apart(BaseModel):
    """Parameters that an optimizer takes with options of their own, which are the keys beside `of`."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    of: Annotated[str, Field(strict=True, min_length=1)]
    """Which parameters, by name; `*` stands for any letters. Each has the options of the first group that fits."""

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside `of`."""
        return dict(self.model_extra or {})


class Optim(Named):
    """Which optimizer, or a solver in its place; other keys are its options."""

    groups: list[Apart] = []  # noqa: RUF012 - pydantic copies it
    """Parameters with options of their own, by name: `[{of: "embed*", lr: 0.001}, {of: "conv1.*", weight_decay: 0.0}]`.
    Their rate follows the schedule as that of the others does."""

    @field_validator("groups")
    @classmethod
    def _no_group_twice(cls, value: list[Apart]) -> list[Apart]:
        names = [group.of for group in value]
        if twice := [name for number, name in enumerate(names) if name in names[:number]]:
            raise ValueError(f"the group {twice[0]} is there twice: the second would have no parameters")
        if empty := [group.of for group in value if not group.options]:
            raise ValueError(f"the group {empty[0]} has no option of its own")
        return value
