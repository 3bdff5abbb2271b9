"""A run, opened from its folder alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from chainrule.core.errors import CheckpointError, DataError, RecipeError, UsageError
from chainrule.core.folder import RunFolder
from chainrule.core.journal import read_journal
from chainrule.core.recipe import CaptionRecipe, LanguageRecipe, Recipe, TranslateRecipe
from chainrule.data.embeddings import WordVectors
from chainrule.models import Fitted
from chainrule.nn import int8_weights
from chainrule.runtime.weights import load_weights, read_weights
from chainrule.tasks.job._job import PREDICTORS, Job, Network, job_type
from chainrule.tasks.job._prediction import Prediction
from chainrule.tasks.job._search_settings import with_decode
from chainrule.tasks.runs._combined import Together, combined_model, members_of
from chainrule.tasks.runs._shown import one_line, small_table
from chainrule.tasks.tables import open_recipe
from chainrule.training.checkpoint import checkpoint_weights, step_folder
from chainrule.training.rules import best_step
from chainrule.training.task import Examples

if TYPE_CHECKING:
    from chainrule.tasks.caption import Captioned
    from chainrule.tasks.explaining._explain import Explanation
    from chainrule.tasks.translate import Translated


class Run:
    """What a run folder holds, without running any code from it.

    Example:
        `Run.open("runs/digits-cnn").model()` is the trained network in evaluation mode.
    """

    def __init__(self, folder: RunFolder, info: dict[str, Any], together: Together | None = None) -> None:
        self.folder, self.info = folder, info
        self.together = Together() if together is None and info["kind"] == "ensemble" else together

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open a run folder.

        Raises:
            CheckpointError: It is no run, or of a newer format.
        """
        folder = RunFolder(Path(path))
        return cls(folder, folder.info())

    def combined(self, combine: str = "mean", *, snapshots: bool = False, dropout_samples: int | None = None) -> Run:
        """Return the run with several of its networks answering as one: in `model`, `evaluate` and `predict`.

        Of an ensemble these are its members, which answer with their mean probability where nothing else is said.

        Args:
            combine: "mean" (of probabilities), "vote" of the majority, or "average" (of weights: sensible for the
                snapshots of one run, which stem from one trajectory; statistics of batch normalization are measured
                anew on the training part).
            snapshots: Of one run: the networks at the ends of its cycles (`train.snapshots`).
            dropout_samples: Of one run: so many networks that dropout makes of it, each with a mask that stays.

        Raises:
            UsageError: There is no such combination, or two kinds of members are asked for.

        Example:
            `Run.open("runs/digits").combined("vote", snapshots=True).evaluate("test")`
        """
        return Run(self.folder, self.info, Together(combine, snapshots, dropout_samples))

    @property
    def path(self) -> Path:
        """The folder."""
        return self.folder.path

    @property
    def result(self) -> dict[str, Any] | None:
        """Final metrics: `{"valid": {...}, "test": {...}, "best_step": ..., "seconds": ...}`; None before the end."""
        return self.info.get("result")

    @cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe.

        Raises:
            CheckpointError: The run has none (a hand-written loop).
        """
        if self.info["kind"] in ("study", "search"):
            raise self._several()
        if not self.folder.recipe.is_file():
            kind = self.info.get("kind")
            why = "expected recipe.yaml" if kind == "recipe" else f"got a run of kind {kind}"
            raise CheckpointError(f"{self.path} has no recipe: {why}")
        try:
            return open_recipe(str(self.folder.recipe))
        except RecipeError as error:
            raise CheckpointError(f"the recipe of {self.path} is damaged or of another version: {error}") from error

    @property
    def history(self) -> list[dict[str, Any]]:
        """All lines of metrics."""
        return read_journal(self.folder.metrics) if self.folder.metrics.is_file() else []

    @cached_property
    def processing(self) -> dict[str, Any]:
        """What is done to an input before the network sees it; of images also the names of the classes."""
        if self.info["kind"] == "ensemble":
            return members_of(self)[0].processing
        if self.info["kind"] in ("repeats", "study", "search"):
            raise self._several()
        data = self.folder.read_json(self.folder.processing)
        if not isinstance(data, dict):
            raise CheckpointError(f"{self.path} does not say how its inputs are prepared", expected="processing.json")
        return data

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return list(self.processing["classes"])

    def model(self, module: nn.Module | None = None, *, int8: bool = False) -> nn.Module:
        """Return the trained network with its best weights, in evaluation mode.

        Args:
            module: For a run of one's own network: a fresh one to load the weights into, strictly.
            int8: Whether its fully connected layers have weights of 8 bits: `chainrule.nn.int8_weights`.

        Raises:
            CheckpointError: The network was one's own and no module is given; there are no weights; they do not fit.
            UsageError: It cannot have weights of 8 bits.
        """
        if self.together is not None and int8:
            raise UsageError("networks that answer together have no weights of 8 bits", remedy="leave --int8 out")
        if self.together is not None:
            one = Run(self.folder, self.info) if self.info["kind"] != "ensemble" else self
            return combined_model(one, self.together, module)
        model = self.network(self.weights(), module)
        return int8_weights(model) if int8 else model

    def network(self, weights: Mapping[str, Tensor], module: nn.Module | None = None) -> nn.Module:
        """Return the run's network with some weights, in evaluation mode.

        Args:
            weights: Of that network.
            module: For a run of one's own network: what the weights are loaded into.

        Raises:
            CheckpointError: The network was one's own and no module is given; the weights do not fit.
        """
        if module is None:
            module = self._build()
        if isinstance(module, Fitted):
            module.make_room(weights)
        load_weights(module, weights)
        model: nn.Module = module.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        return model

    def _build(self) -> nn.Module:
        if self.info["kind"] in ("repeats", "study", "search"):
            raise self._several()
        if self.info["kind"] != "recipe":
            program = self.info.get("program", {})
            where = f" ({program['file']}:{','.join(program['names'])})" if program else ""
            raise CheckpointError(
                f"{self.path} holds a network of one's own{where}, which cannot be rebuilt from the folder",
                remedy="give it: Run.open(path).model(module=Net()), or --model FILE.py:NAME on the command line",
            )
        with torch.random.fork_rng():
            return job_type(self.recipe).network_of(self.recipe, self.processing)

    def own_module(self, network: Network) -> nn.Module:
        """Return a network of one's own as this run's was built: with what the data ask for, and the recipe's options.

        Raises:
            RecipeError: It cannot be built.
        """
        return job_type(self.recipe).network_of(self.recipe, self.processing, network)

    def _several(self) -> CheckpointError:
        """What to say where one run is needed."""
        if self.info["kind"] == "search":
            best = (self.result or {}).get("best") or "coarse-000"
            what = f"{self.path} is the folder of a search"
            return CheckpointError(what, remedy=f"name one: {self.path}/trials/{best}")
        kinds = {"study": "the runs of a study", "ensemble": "the members of an ensemble"}
        firsts = {"study": next(iter(self.info.get("members") or {}), ""), "ensemble": "member-1"}
        kind, one = kinds.get(self.info["kind"], "repeated runs"), firsts.get(self.info["kind"], "seed-0")
        return CheckpointError(f"{self.path} is a folder of {kind}", remedy=f"name one: {self.path}/{one}")

    def weights(self) -> dict[str, Tensor]:
        """Return the best weights, by name.

        Raises:
            CheckpointError: There are none.
        """
        if self.folder.model.is_file():
            return read_weights(self.folder.model)
        if self.info["kind"] in ("repeats", "study", "ensemble", "search"):
            raise self._several()
        history = tuple((line["step"], line) for line in self.history if line.get("part") == "valid")
        best = best_step(history, self.recipe.train.monitor) if history else None
        path = step_folder(self.folder.checkpoints, best or 0)
        if not path.is_dir():
            raise CheckpointError(f"{self.path} has no weights", remedy=f"finish it: chainrule resume {self.path}")
        return checkpoint_weights(path, self.recipe.train.deployed, run=self.info.get("id"))

    def job(self, network: Network | None = None, *, settings: Mapping[str, Any] | None = None) -> Job:
        """The recipe, with settings laid over it, and its data, prepared as this run's were."""
        recipe = open_recipe(self.recipe.to_data(), settings) if settings else self.recipe
        return job_type(recipe).reopened(recipe, self.processing, network)

    def evaluate(
        self,
        part: str | None = None,
        *,
        module: nn.Module | None = None,
        int8: bool = False,
        decode: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Measure the network on a part of its data in full: of images loss, accuracy, confusion, worst mistakes.

        Args:
            part: "valid", "test" or "train"; when left out, "valid", or "test" where there is nothing to choose by.
            module: For a run of one's own network.
            int8: Whether what is measured is the network with weights of 8 bits.
            decode: How translations or captions are searched for, where not as the recipe says: `{"beam": 10}`.

        Raises:
            DataError: The data have no such part.
            UsageError: It cannot have weights of 8 bits; the task does not search, or not by such a setting.
        """
        recipe = with_decode(self.recipe, decode or {})
        model = self.model(module, int8=int8)
        job = job_type(recipe).reopened(recipe, self.processing)
        if part is None:
            part = "valid" if "valid" in job.parts else "test"
        if part not in job.parts:
            raise DataError(
                f'{self.recipe.data.name} has no part "{part}"',
                expected=", ".join(job.parts),
                remedy=f"--part {next(iter(job.parts))}",
            )
        return job.evaluate(model, part)

    def predict(
        self,
        sources: Iterable[str | Path | bytes],
        *,
        top: int = 5,
        module: nn.Module | None = None,
        compile_it: bool = False,
    ) -> list[Prediction]:
        """Classify picture files (or their bytes), or texts, a group at a time.

        Of pictures the answers are those of `model()` up to rounding, and faster.

        Args:
            sources: Files, or what stands in them; of a run that classifies texts the texts themselves.
            top: How many classes to tell of each.
            module: For a run of one's own network.
            compile_it: Compile the network first: worth it for tens of thousands of pictures (docs/speed.md).

        Raises:
            DataError: A picture cannot be read, or a text has no word that is known; says which.
            UsageError: Runs of this task answer otherwise.
        """
        if self.recipe.task not in PREDICTORS:
            raise UsageError(
                f"{self.path} does not classify pictures or texts", got=f"a run of the task {self.recipe.task}"
            )
        predict = PREDICTORS.resolve(self.recipe.task)
        found: list[Prediction] = predict(self, sources, top=top, module=module, compile_it=compile_it)
        return found

    def generate(
        self,
        prompt: str = "",
        *,
        length: int | None = None,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int = 0,
        module: nn.Module | None = None,
        int8: bool = False,
    ) -> Iterator[str]:
        """Yield what the network writes after a prompt, piece by piece; what is left out is as the recipe says.

        Args:
            prompt: What the text begins with; a line break where it is empty.
            length: Tokens that are written.
            temperature: Scores are divided by it; 0 takes the most probable token.
            top_k: Only so many of the most probable tokens are drawn.
            top_p: Only the fewest of the most probable tokens that hold this share are drawn.
            seed: Of what is drawn.
            module: For a run of one's own network.
            int8: Whether the network has weights of 8 bits.

        Raises:
            UsageError: The run writes no text, or a value is out of its range.
            DataError: No token of the prompt is known.
        """
        if not isinstance(self.recipe, LanguageRecipe):
            raise UsageError(f"{self.path} writes no text", got=f"a run of the task {self.recipe.task}")
        from chainrule.tasks.language import written

        return written(
            self,
            prompt,
            length=length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
            module=module,
            int8=int8,
        )

    def explain(self, method: str, *, module: nn.Module | None = None, **options: Any) -> Explanation:
        """Return why the network says what it says.

        Args:
            method: "gates" (recurrent layers) or "attention".
            module: For a run of one's own network.
            options: `text`: what the network reads, with `[MASK]` at hidden words; or `picture`, a file or what stands
                in it: what it writes about. `at`: the token that is asked for, from 2 of a text that goes on, from 1 of
                a translation or caption, or the `[MASK]`, from 1; where left out the next token, all that is written,
                the class, or the first `[MASK]`. Of gates also `units`, how many of each layer are told and drawn.

        Raises:
            UsageError: There is no such method, or the run has nothing that it could explain.
            DataError: Nothing of the text is known, it has no `[MASK]`, or a picture cannot be read.
        """
        from chainrule.tasks.explaining._explain import explain

        if self.together is not None:
            raise self._several()
        return explain(self, method, module=module, **options)

    def vectors(self, *, module: nn.Module | None = None) -> WordVectors:
        """Return the vectors that the network has for its tokens, special ones left out.

        Args:
            module: For a run of one's own network.

        Raises:
            UsageError: The run is of another task than embed, language and classify-text, or its network has no
                embedding.
        """
        from chainrule.tasks.sequences._vectors import learned_vectors

        if self.together is not None:
            raise self._several()
        return learned_vectors(self, module)

    def nearest(self, query: str, *, count: int = 10, module: nn.Module | None = None) -> list[tuple[str, float]]:
        """Return the words that are the nearest to a word, or to a sum such as `king - man + woman`, with cosines.

        Args:
            query: A word, or words with + and - between them, with spaces around.
            count: How many.
            module: For a run of one's own network.

        Raises:
            UsageError: The run knows no words, or the query is none.
            DataError: A word is not known; the nearest spelling is named.
        """
        return self.vectors(module=module).nearest(query, count=count)

    def translate(
        self,
        texts: Sequence[str],
        *,
        beam: int | None = None,
        length_exponent: float | None = None,
        no_repeat: int | None = None,
        best: int = 1,
        module: nn.Module | None = None,
        int8: bool = False,
        candidates: list[dict[str, Any]] | None = None,
    ) -> list[Translated]:
        """Translate sentences; what is left out is as the recipe says.

        Args:
            texts: The sentences; an empty one has an empty translation.
            beam: Hypotheses that are followed; 1: greedy.
            length_exponent: Sums of log p are divided by length to this power.
            no_repeat: No sequence of so many tokens is written twice; 0: any.
            best: How many translations of each sentence.
            module: For a run of one's own network.
            int8: Whether the network has weights of 8 bits: faster, and other answers (docs/translation.md).
            candidates: Filled with what the search looked at, for one sentence, as `chainrule.draw.beam_tree` takes it.

        Raises:
            UsageError: The run does not translate, or a value is out of its range.
            DataError: The network knows nothing of the text.
        """
        if not isinstance(self.recipe, TranslateRecipe):
            raise UsageError(f"{self.path} does not translate", got=f"a run of the task {self.recipe.task}")
        from chainrule.tasks.translate._answers import translated

        return translated(
            self,
            texts,
            beam=beam,
            length_exponent=length_exponent,
            no_repeat=no_repeat,
            best=best,
            module=module,
            int8=int8,
            candidates=candidates,
        )

    def caption(
        self,
        sources: Sequence[str | Path | bytes],
        *,
        beam: int | None = None,
        length_exponent: float | None = None,
        no_repeat: int | None = None,
        best: int = 1,
        module: nn.Module | None = None,
        int8: bool = False,
        candidates: list[dict[str, Any]] | None = None,
    ) -> list[Captioned]:
        """Write about pictures; what is left out is as the recipe says.

        Args:
            sources: Picture files, or what stands in them.
            beam: Hypotheses that are followed; 1: greedy.
            length_exponent: Sums of log p are divided by length to this power.
            no_repeat: No sequence of so many tokens is written twice; 0: any.
            best: How many captions of each picture.
            module: For a run of one's own network.
            int8: Whether the network has weights of 8 bits: faster, and other answers (docs/translation.md).
            candidates: Filled with what the search looked at, for one picture, as `chainrule.draw.beam_tree` takes it.

        Raises:
            UsageError: The run writes no captions, or a value is out of its range.
            DataError: A picture cannot be read; says which.
        """
        if not isinstance(self.recipe, CaptionRecipe):
            raise UsageError(f"{self.path} writes no captions", got=f"a run of the task {self.recipe.task}")
        from chainrule.tasks.caption._answers import captioned

        return captioned(
            self,
            sources,
            beam=beam,
            length_exponent=length_exponent,
            no_repeat=no_repeat,
            best=best,
            module=module,
            int8=int8,
            candidates=candidates,
        )

    def examples(self, part: str) -> Examples:
        """The examples of a part, as the network is given them."""
        return self.job().examples(part)

    def report(self) -> Path:
        """Write `report.html` and return its path."""
        from chainrule.tasks.runs._report import write_report

        return write_report(self.folder)

    def __repr__(self) -> str:
        return one_line(self.path, self.info)

    def _repr_html_(self) -> str:
        return small_table(self.path, self.info)
