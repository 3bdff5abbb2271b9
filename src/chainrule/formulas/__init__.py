"""The book: each idea of the lectures as one short function in NumPy, forward and backward. It judges the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainrule.core.lazy import lazy

if TYPE_CHECKING:
    from chainrule.formulas.activations import elu_backward as elu_backward
    from chainrule.formulas.activations import elu_forward as elu_forward
    from chainrule.formulas.activations import gelu_backward as gelu_backward
    from chainrule.formulas.activations import gelu_forward as gelu_forward
    from chainrule.formulas.activations import leaky_relu_backward as leaky_relu_backward
    from chainrule.formulas.activations import leaky_relu_forward as leaky_relu_forward
    from chainrule.formulas.activations import maxout_backward as maxout_backward
    from chainrule.formulas.activations import maxout_forward as maxout_forward
    from chainrule.formulas.activations import relu_backward as relu_backward
    from chainrule.formulas.activations import relu_forward as relu_forward
    from chainrule.formulas.activations import sigmoid_backward as sigmoid_backward
    from chainrule.formulas.activations import sigmoid_forward as sigmoid_forward
    from chainrule.formulas.activations import tanh_backward as tanh_backward
    from chainrule.formulas.activations import tanh_forward as tanh_forward
    from chainrule.formulas.affine import affine_backward as affine_backward
    from chainrule.formulas.affine import affine_forward as affine_forward
    from chainrule.formulas.clipping import clip_by_norm as clip_by_norm
    from chainrule.formulas.clipping import clip_by_value as clip_by_value
    from chainrule.formulas.convolution import conv_backward as conv_backward
    from chainrule.formulas.convolution import conv_forward as conv_forward
    from chainrule.formulas.convolution import conv_output_size as conv_output_size
    from chainrule.formulas.convolution import conv_parameters as conv_parameters
    from chainrule.formulas.convolution import conv_transpose_forward as conv_transpose_forward
    from chainrule.formulas.convolution import fully_connected_as_convolution as fully_connected_as_convolution
    from chainrule.formulas.dropout import dropout_backward as dropout_backward
    from chainrule.formulas.dropout import dropout_forward as dropout_forward
    from chainrule.formulas.initializers import he as he
    from chainrule.formulas.initializers import orthogonal as orthogonal
    from chainrule.formulas.initializers import small_gaussian as small_gaussian
    from chainrule.formulas.initializers import xavier as xavier
    from chainrule.formulas.losses import binary_cross_entropy as binary_cross_entropy
    from chainrule.formulas.losses import mean_squared_error as mean_squared_error
    from chainrule.formulas.losses import softmax as softmax
    from chainrule.formulas.losses import softmax_loss as softmax_loss
    from chainrule.formulas.losses import svm_loss as svm_loss
    from chainrule.formulas.norms import batch_norm_backward as batch_norm_backward
    from chainrule.formulas.norms import batch_norm_forward as batch_norm_forward
    from chainrule.formulas.norms import batch_norm_test as batch_norm_test
    from chainrule.formulas.norms import group_norm_backward as group_norm_backward
    from chainrule.formulas.norms import group_norm_forward as group_norm_forward
    from chainrule.formulas.norms import instance_norm_forward as instance_norm_forward
    from chainrule.formulas.norms import layer_norm_backward as layer_norm_backward
    from chainrule.formulas.norms import layer_norm_forward as layer_norm_forward
    from chainrule.formulas.norms import local_response_norm_backward as local_response_norm_backward
    from chainrule.formulas.norms import local_response_norm_forward as local_response_norm_forward
    from chainrule.formulas.norms import normalize_backward as normalize_backward
    from chainrule.formulas.norms import normalize_forward as normalize_forward
    from chainrule.formulas.norms import running_average as running_average
    from chainrule.formulas.penalties import elastic_net as elastic_net
    from chainrule.formulas.penalties import l1_penalty as l1_penalty
    from chainrule.formulas.penalties import l2_penalty as l2_penalty
    from chainrule.formulas.penalties import lambda_of_gaussian_prior as lambda_of_gaussian_prior
    from chainrule.formulas.penalties import weight_decay_of_lambda as weight_decay_of_lambda
    from chainrule.formulas.pooling import average_pool_backward as average_pool_backward
    from chainrule.formulas.pooling import average_pool_forward as average_pool_forward
    from chainrule.formulas.pooling import global_average_backward as global_average_backward
    from chainrule.formulas.pooling import global_average_forward as global_average_forward
    from chainrule.formulas.pooling import max_pool_backward as max_pool_backward
    from chainrule.formulas.pooling import max_pool_forward as max_pool_forward
    from chainrule.formulas.schedules import cosine_rate as cosine_rate
    from chainrule.formulas.schedules import inverse_sqrt_rate as inverse_sqrt_rate
    from chainrule.formulas.schedules import linear_rate as linear_rate
    from chainrule.formulas.schedules import step_rate as step_rate
    from chainrule.formulas.schedules import warmup_factor as warmup_factor
    from chainrule.formulas.updates import adagrad as adagrad
    from chainrule.formulas.updates import adam as adam
    from chainrule.formulas.updates import adam_l2 as adam_l2
    from chainrule.formulas.updates import adamw as adamw
    from chainrule.formulas.updates import momentum as momentum
    from chainrule.formulas.updates import momentum_step as momentum_step
    from chainrule.formulas.updates import nesterov as nesterov
    from chainrule.formulas.updates import rmsprop as rmsprop
    from chainrule.formulas.updates import sgd as sgd

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        **dict.fromkeys(
            [
                "elu_backward",
                "elu_forward",
                "gelu_backward",
                "gelu_forward",
                "leaky_relu_backward",
                "leaky_relu_forward",
                "maxout_backward",
                "maxout_forward",
                "relu_backward",
                "relu_forward",
                "sigmoid_backward",
                "sigmoid_forward",
                "tanh_backward",
                "tanh_forward",
            ],
            "activations",
        ),
        **dict.fromkeys(["affine_backward", "affine_forward"], "affine"),
        **dict.fromkeys(["clip_by_norm", "clip_by_value"], "clipping"),
        **dict.fromkeys(
            [
                "conv_backward",
                "conv_forward",
                "conv_output_size",
                "conv_parameters",
                "conv_transpose_forward",
                "fully_connected_as_convolution",
            ],
            "convolution",
        ),
        **dict.fromkeys(["dropout_backward", "dropout_forward"], "dropout"),
        **dict.fromkeys(["he", "orthogonal", "small_gaussian", "xavier"], "initializers"),
        **dict.fromkeys(
            ["binary_cross_entropy", "mean_squared_error", "softmax", "softmax_loss", "svm_loss"], "losses"
        ),
        **dict.fromkeys(
            [
                "batch_norm_backward",
                "batch_norm_forward",
                "batch_norm_test",
                "group_norm_backward",
                "group_norm_forward",
                "instance_norm_forward",
                "layer_norm_backward",
                "layer_norm_forward",
                "local_response_norm_backward",
                "local_response_norm_forward",
                "normalize_backward",
                "normalize_forward",
                "running_average",
            ],
            "norms",
        ),
        **dict.fromkeys(
            ["elastic_net", "l1_penalty", "l2_penalty", "lambda_of_gaussian_prior", "weight_decay_of_lambda"],
            "penalties",
        ),
        **dict.fromkeys(
            [
                "average_pool_backward",
                "average_pool_forward",
                "global_average_backward",
                "global_average_forward",
                "max_pool_backward",
                "max_pool_forward",
            ],
            "pooling",
        ),
        **dict.fromkeys(["cosine_rate", "inverse_sqrt_rate", "linear_rate", "step_rate", "warmup_factor"], "schedules"),
        **dict.fromkeys(
            ["adagrad", "adam", "adam_l2", "adamw", "momentum", "momentum_step", "nesterov", "rmsprop", "sgd"],
            "updates",
        ),
    },
)
