"""Which settings of a recipe a finding is about."""

from __future__ import annotations

OPTIONS: dict[str, tuple[str, ...]] = {
    # data
    "input-not-scaled": ("data.normalize",),
    "input-squeezed": ("data.normalize",),
    "classes-uneven": ("data.limit",),
    "validation-among-training": ("data.split_seed",),
    "augmentation-breaks-label": ("augment.flip", "augment.shift", "augment.cutout"),
    # loss
    "label-smoothing-too-strong": ("loss.smoothing",),
    "squared-error-on-classes": ("loss.name",),
    "penalty-too-strong": ("penalty.l2", "penalty.l1"),
    # optimizer, rate and loop
    "rate-too-high": ("optim.lr",),
    "rate-too-low": ("optim.lr",),
    "rate-is-zero": ("optim.lr",),
    "rate-rises-without-end": ("schedule.name",),
    "loss-diverges": ("optim.lr", "train.clip_norm"),
    "loss-oscillates": ("optim.lr", "train.batch"),
    "momentum-too-large": ("optim.momentum",),
    "betas-exchanged": ("optim.betas",),
    "epsilon-too-large": ("optim.eps",),
    "weight-decay-too-strong": ("optim.weight_decay",),
    "schedule-kills-rate": ("schedule.name",),
    "warm-up-too-long": ("schedule.warmup",),
    "clipped-to-nothing": ("train.clip_norm", "train.clip_value"),
    "too-few-steps": ("train.epochs",),
    "stopped-too-early": ("train.patience",),
    "evaluates-too-often": ("train.evaluate_every",),
    "data-loading-slow": ("train.workers",),
    "frozen-at-random": ("train.freeze",),
    "underfits": ("model.name", "train.epochs"),
    # network
    "initialization-too-small": ("init.scheme",),
    "initialization-too-large": ("init.scheme",),
    "all-units-equal": ("init.scheme",),
    "offsets-at-start": ("init.bias",),
    "gradients-explode": ("train.clip_norm", "init.scheme"),
    "gradients-vanish": ("init.scheme", "model.name"),
    "batch-norm-tiny-batch": ("train.batch",),
    "one-example-at-a-time": ("train.batch",),
    "dropout-too-strong": ("model.dropout",),
}
"""Label -> settings, the likeliest first."""
