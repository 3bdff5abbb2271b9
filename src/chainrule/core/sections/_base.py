"""What all sections are made of: plain data whose keys are known, numbers within their ranges."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A part of a recipe whose keys are all known."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Named(BaseModel):
    """A part of a recipe that names a registered function; the other keys are that function's options."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    name: Annotated[str, Field(strict=True)]
    """Which of the registered parts."""

    @property
    def options(self) -> dict[str, Any]:
        """The keys beside `name`."""
        return dict(self.model_extra or {})


def name_alone(value: Any) -> Any:
    """`words` stands for `{name: words}`."""
    return {"name": value} if isinstance(value, str) else value
