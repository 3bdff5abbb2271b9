"""The name by which `chainrule.diagnosis` imports `chainrule.tasks.runs._train`."""

from chainrule.tasks.runs._train import OwnNetwork as OwnNetwork
from chainrule.tasks.runs._train import begin_run as begin_run
from chainrule.tasks.runs._train import continue_run as continue_run
from chainrule.tasks.runs._train import with_seed as with_seed
