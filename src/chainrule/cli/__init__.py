"""The command line: a static table of verbs, one file each, and one boundary for errors."""

from __future__ import annotations

import argparse
import importlib
import io
import json
import logging
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from chainrule.core.errors import ChainruleError, NotationError, UsageError, unknown
from chainrule.core.paths import shown, visible
from chainrule.core.store import storage_error
from chainrule.core.version import __version__

if TYPE_CHECKING:
    from chainrule.cli.answer import Answer

VERBS: dict[str, tuple[str, str]] = {
    "demo": ("Start here", "train a small network on handwritten digits and open its report"),
    "train": ("Train", "train a recipe, or a folder of pictures, in a run folder"),
    "new": ("Train", "write a recipe to start from"),
    "resume": ("Train", "go on with a run where it stopped"),
    "search": ("Train", "choose settings: the checks, the rate, a coarse search, a fine one"),
    "evaluate": ("Use", "measure a run on its validation or test part"),
    "predict": ("Use", "what a run makes of new inputs: classes of pictures and texts, translations"),
    "generate": ("Use", "write text with a run"),
    "words": ("Use", "nearest words, analogies, and the vectors of a run or a file"),
    "export": ("Use", "a run in the form of another program, and whether that answers the same"),
    "report": ("Use", "write the page of one run, or compare several"),
    "explain": ("Understand", "why a network says what it says: gates, attention"),
    "backprop": ("Understand", "where a gradient comes from: an expression, gate by gate, or your own code"),
    "check": ("Understand", "is my gradient right; is my code the formula"),
    "design": ("Understand", "shapes, parameters, cost and sight of a network, layer by layer"),
    "doctor": ("Understand", "why a training does not learn: your own script, a recipe or a run"),
    "activation": ("Understand", "whether a function of x serves as an activation, and what it does to gradients"),
    "bias-variance": ("Understand", "the error of a recipe taken apart, over one of its settings"),
    "optimizers": ("Understand", "paths of optimizers on test surfaces, on a function of yours, on a real loss"),
    "runs": ("Look around", "list, show, compare or remove runs"),
    "data": ("Look around", "list, check or fetch data sets"),
    "models": ("Look around", "networks by name, and their options"),
    "recipes": ("Look around", "recipes by name, and what they reach"),
}
RUNS_SCRIPTS = ("doctor",)
"""Verbs that run a script: the words behind its name are its own."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return the exit status (`docs/command-line.md`). No mistake of a user's ends in a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    ours, _ = _divided(words)
    as_json, debug = "--json" in ours, "--debug" in ours
    verb = words[0] if words and not words[0].startswith("-") else ""
    logging.getLogger("chainrule").handlers[:] = [_ToStderr()]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # names of files need not be text, and not all terminals have all letters
            stream.reconfigure(errors="backslashreplace")
    try:
        return _dispatch(words)
    except SystemExit as stop:
        return int(stop.code or 0)
    except ChainruleError as error:
        if debug:
            traceback.print_exc()
        elif error.told:
            return error.exit_status
        elif theirs := getattr(error, "user_traceback", ""):  # of a file that the user named, shown as theirs
            print(theirs.rstrip(), file=sys.stderr)
        return _fail(verb, as_json, error.exit_status, str(error), error)
    except KeyboardInterrupt as stop:  # or tasks.Interrupted, which this file does not import
        return _fail(verb, as_json, getattr(stop, "status", 130), str(stop) or "stopped")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except MemoryError:
        return _fail(verb, as_json, 7, "the machine has not enough memory for this")
    except OSError as error:  # a path that the system refuses, where nothing else explains it
        if debug:
            traceback.print_exc()
        told = storage_error("use", error.filename or "a file", error)
        return _fail(verb, as_json, told.exit_status, str(told), told)
    except Exception as error:
        if "can't allocate memory" in str(error) or type(error).__name__ == "OutOfMemoryError":
            return _fail(
                verb,
                as_json,
                7,
                "the machine has not enough memory: make --train.batch smaller or --train.parts larger",
            )
        if debug:
            traceback.print_exc()
        said = (str(error).splitlines() or [""])[0]
        return _fail(
            verb, as_json, 1, f"a bug of ours: {type(error).__name__}: {said}. Please report it with {_log(words)}"
        )


def _dispatch(words: list[str]) -> int:
    if words and words[0] in ("--version", "-V"):
        print(f"chainrule {__version__}")
        return 0
    if not words or words[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0
    ours, passed_on = _divided(words)
    for word in ours:
        if not word or "\0" in word:
            raise UsageError(
                f"{shown(word)} is no argument", expected="some text", remedy="look for a variable that is not set"
            )
    verb, rest = words[0], ours[1:]
    if verb not in VERBS:
        raise UsageError(f'there is no command "{verb}"', remedy=unknown("command", verb, VERBS))
    module = importlib.import_module(f"chainrule.cli.{verb.replace('-', '_')}")
    parser = _Parser(prog=f"chainrule {verb}", description=VERBS[verb][1][:1].upper() + VERBS[verb][1][1:] + ".")
    module.add(parser)
    _add_common(parser)
    if getattr(module, "TAKES_SETTINGS", False):
        from chainrule.cli._settings import split_settings

        rest, settings = split_settings(rest, own=getattr(module, "OWN_OPTIONS", ()))
        arguments = parser.parse_args(rest)
        arguments.settings = settings
    else:
        arguments = parser.parse_args(rest)
    arguments.passed_on, arguments.words = passed_on, words
    arguments.command = "chainrule " + " ".join(_quoted(word) for word in words)
    answer = module.run(arguments)
    if arguments.json:
        print(json.dumps({"format": 1, "verb": verb, "status": answer.status, "result": answer.data}, allow_nan=False))
    else:
        _show(answer)
    sys.stdout.flush()
    return int(answer.status)


def _show(answer: Answer) -> None:
    """Print an answer for a reader."""
    if not isinstance(answer.text, str):
        from chainrule.cli._console import console

        console().print(answer.text)
    elif answer.text:
        print(visible(answer.text))
    if answer.written:
        print(visible(answer.written))


def _divided(words: list[str]) -> tuple[list[str], list[str]]:
    """The words that are ours, and those that a script is called with."""
    if words and words[0] in RUNS_SCRIPTS:
        for place, word in enumerate(words):
            if word.endswith(".py") and not word.startswith("-"):
                return words[: place + 1], words[place + 1 :]
    return words, []


class _ToStderr(logging.Handler):
    """Warnings as one line each, to whatever stderr is at that moment."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"chainrule: {record.levelname.lower()}: {_line(record.getMessage())}", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    """Wrong words are errors like all others."""

    def error(self, message: str) -> Any:
        raise UsageError(f"{self.prog}: {message}", remedy=f"see `{self.prog} --help`")


def _add_common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("output")
    group.add_argument("--json", action="store_true", help="print the result as JSON")
    group.add_argument("-q", "--quiet", action="store_true", help="print results only")
    group.add_argument("-v", "--verbose", action="store_true", help="say more")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")
    group.add_argument("--no-progress", action="store_true", help="no progress bar")


def _overview() -> str:
    lines = [
        "chainrule trains a network from a recipe, shows what it costs and sees, and keeps what it did.",
        "",
        "usage: chainrule COMMAND ...      (chainrule COMMAND --help says more)",
    ]
    for group in dict.fromkeys(group for group, _ in VERBS.values()):
        lines += ["", f"{group}:"]
        lines += [f"  {verb:<15}{about}" for verb, (own, about) in VERBS.items() if own == group]
    lines += ["", "try:  chainrule demo", '      chainrule design "INPUT 32x32x3 | CONV3-64 | RELU | POOL2 | FC-10"']
    return "\n".join(lines)


def _quoted(word: str) -> str:
    import shlex

    return shlex.quote(word)


def _fail(verb: str, as_json: bool, status: int, text: str, error: ChainruleError | None = None) -> int:
    if as_json:
        details: dict[str, Any] = {"message": text}
        if error is not None:
            facts = {"what": error.what, "expected": error.expected, "got": error.got, "remedy": error.remedy}
            details |= {key: None if value is None else str(value) for key, value in facts.items()}
        print(json.dumps({"format": 1, "verb": verb, "status": status, "error": details}))
    print(f"chainrule: {visible(text) if isinstance(error, NotationError) else _line(text)}", file=sys.stderr)
    return status


def _line(text: str) -> str:
    """One line, whatever names and values it quotes; the place in a layer specification is shown in two more."""
    return visible(text.replace("\r\n", "\n").replace("\n", "\\n"))


def _log(words: list[str]) -> str:
    """Write the traceback to a file and return its path."""
    try:
        handle, path = tempfile.mkstemp(prefix="chainrule-bug-", suffix=".log")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(
                f"chainrule {__version__}, python {sys.version}\narguments: {words!r}\n\n{traceback.format_exc()}"
            )
    except OSError:
        return "the output of --debug"
    return path
