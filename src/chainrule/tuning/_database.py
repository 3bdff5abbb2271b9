"""The study in its database: its address, its errors in our words, and the facts that all processes share.

Each stage of trainings is an Optuna study (`_stage.py`).
"""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import optuna
from optuna.trial import FrozenTrial

from chainrule.core.errors import StorageError, UsageError
from chainrule.tuning._owner import this_process
from chainrule.tuning._plan import SearchPlan
from chainrule.tuning._sampling import pruner, sampler
from chainrule.tuning._stage import BEAT, GRACE, Stage, again, without_warnings

_ATTEMPTS: Final = 6
"""How often a new database is opened, while other processes make its tables."""


class Database:
    """The database of a search.

    Args:
        url: As SQLAlchemy has it: `sqlite:///study.db`, `postgresql://user@host/name`.
        plan: Of the search.

    Raises:
        StorageError: The database cannot be reached.
        UsageError: The address cannot be read, a driver is missing, or the study there is another search.
    """

    def __init__(self, url: str, plan: SearchPlan) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.plan, self.shown = plan, hidden(url)
        self._gone: list[int] = []  # indices of trials that are put back for want of a heartbeat
        with self._errors():
            self._rdb = self._opened(url)
            self._storage = optuna.storages.get_storage(self._rdb)
            self._root = optuna.create_study(study_name=plan.name, storage=self._storage, load_if_exists=True)
            self._require_same()

    def _opened(self, url: str) -> Any:
        """The database, with its tables made; where another process makes them at this moment, once it has."""
        from sqlalchemy import exc

        options = {"connect_args": {"timeout": 60}} if url.startswith("sqlite") else {"pool_pre_ping": True}
        for attempt in range(_ATTEMPTS):
            try:
                with without_warnings():
                    return optuna.storages.RDBStorage(
                        _with_driver(url),
                        engine_kwargs=options,
                        heartbeat_interval=BEAT,
                        grace_period=GRACE,
                        heartbeat_stale_trial_callback=self._silent,
                    )
            except (exc.IntegrityError, exc.ProgrammingError, exc.OperationalError) as error:
                made_twice = isinstance(error, exc.IntegrityError) or "already exists" in str(error)
                if not made_twice or attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.5)
        raise AssertionError("the last attempt raises or returns")

    def _silent(self, study: Any, trial: FrozenTrial) -> None:
        again(study, trial, died=True)
        self._gone.append(int(trial.user_attrs["index"]))

    def _require_same(self) -> None:
        wanted, known = self.plan.same_as(), self._root.user_attrs.get("search")
        if known is None:
            self._root.set_user_attr("search", wanted)
        elif known != wanted:
            odd = next(key for key in wanted if known.get(key) != wanted[key])
            raise UsageError(
                f"the study {self.plan.name} in {self.shown} is another search: its {odd} differs",
                remedy="the same command as before, or another --study",
            )

    def close(self) -> None:
        """Let the connections go."""
        self._rdb.remove_session()
        self._rdb.engine.dispose()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """What the database says, in our words."""
        from sqlalchemy import exc

        try:
            yield
        except (exc.ArgumentError, exc.NoSuchModuleError, ValueError) as error:
            raise UsageError(
                f"{self.shown} is no address of a database",
                expected="sqlite:///FILE.db, postgresql://USER@HOST/NAME, mysql://...",
                got=_said(error),
            ) from error
        except ImportError as error:
            raise UsageError(
                f"the driver of {self.shown} is not here: {_said(error)}",
                remedy="for PostgreSQL: pip install 'psycopg[binary]'",
            ) from error
        except (exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            raise StorageError(
                f"the database {self.shown} does not answer: {_said(error)}",
                remedy="see that it runs and that the address is right; then the same command goes on",
            ) from error

    def fact(self, name: str) -> Any:
        """What a stage found, whoever found it; None before."""
        with self._errors():
            return self._root.user_attrs.get(name)

    def set_fact(self, name: str, value: Any) -> Any:
        """Write down what a stage found, unless another process was first; return what stands there."""
        with self._errors():
            if self._root.user_attrs.get(name) is None:
                self._root.set_user_attr(name, value)
            return self._root.user_attrs[name]

    def is_mine(self, what: str) -> bool:
        """Whether it is this process that does something which is done once; the first to ask is."""
        me = this_process()
        if self.set_fact(what, me) == me:
            time.sleep(0.2)  # two that asked at once: the later word stands
            with self._errors():
                return bool(self._root.user_attrs.get(what) == me)
        return False

    def stage(self, name: str) -> Stage:
        """Return a stage of trainings, made if it is not there."""
        with self._errors():
            study = optuna.create_study(
                study_name=f"{self.plan.name}/{name}", storage=self._storage, load_if_exists=True,
                direction="maximize" if self.plan.higher else "minimize",
                sampler=sampler(self.plan, name), pruner=pruner(self.plan, name),
            )  # fmt: skip
        return Stage(name, study, self._storage, self._errors, self._gone)


def hidden(url: str) -> str:
    """Return an address without its password.

    Example:
        >>> hidden("postgresql://me:secret@host:5432/name")
        'postgresql://me:***@host:5432/name'
    """
    return re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", url)


def _with_driver(url: str) -> str:
    """PostgreSQL's address with the driver that is installed, where it names none."""
    scheme, colon, rest = url.partition("://")
    if scheme in ("postgresql", "postgres"):
        old = importlib.util.find_spec("psycopg2") is not None or importlib.util.find_spec("psycopg") is None
        return f"postgresql{'' if old else '+psycopg'}{colon}{rest}"
    return url


def sqlite_url(path: Path) -> str:
    """Return the address of a file.

    Example:
        >>> sqlite_url(Path("/tmp/study.db"))
        'sqlite:////tmp/study.db'
    """
    return f"sqlite:///{path.absolute()}"


def _said(error: BaseException) -> str:
    cause = error.__cause__ or error
    lines = str(getattr(cause, "orig", None) or cause).strip().splitlines()
    return hidden(lines[0][:200]) if lines else type(cause).__name__
