"""The name by which `chainrule.diagnosis` imports `chainrule.tasks.runs._run`."""

from chainrule.tasks.runs._run import Run as Run
