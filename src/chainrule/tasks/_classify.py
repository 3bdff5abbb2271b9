"""The name by which `chainrule.diagnosis` imports `chainrule.tasks.images._classification`."""

from chainrule.tasks.images._classification import Classification as Classification
from chainrule.tasks.images._classification import parts_of as parts_of
