"""The name by which `chainrule.diagnosis` imports `chainrule.tasks.runs._signals`."""

from chainrule.tasks.runs._signals import Interrupted as Interrupted
