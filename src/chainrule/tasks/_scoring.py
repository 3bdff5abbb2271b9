"""The name by which `chainrule.diagnosis` imports `chainrule.tasks.images._answer`."""

from chainrule.tasks.images._answer import class_probabilities as class_probabilities
