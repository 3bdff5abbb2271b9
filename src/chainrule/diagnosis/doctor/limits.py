"""How long a diagnosis may take."""

from __future__ import annotations

from typing import Final

SECONDS: Final = 40.0
"""How long a training is watched, unless told otherwise."""
EXPERIMENTS: Final = 35.0
"""How long the experiments on what was seen may take together. With looks and imports all is said within 90 seconds."""
SPARE: Final = 60.0
"""What a script's process gets beyond both before it is ended from outside."""
STEPS: Final = 200
"""Steps that `chainrule.doctor` takes."""
