"""The book: the executable definition of what the lectures describe. NumPy, float64, written to be read.

One short pure function for each idea; the hand-written backward pass stands beside its forward pass:

    out, cache = relu_forward(x)
    dx = relu_backward(dout, cache)

Nothing here is fast. It is what the fast parts are compared with, value and gradient. `docs/formulas.md` maps the
lectures to it, item by item.
"""

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
    from chainrule.formulas.attention import additive_scores_backward as additive_scores_backward
    from chainrule.formulas.attention import additive_scores_forward as additive_scores_forward
    from chainrule.formulas.attention import attend_backward as attend_backward
    from chainrule.formulas.attention import attend_forward as attend_forward
    from chainrule.formulas.attention import attention_backward as attention_backward
    from chainrule.formulas.attention import attention_forward as attention_forward
    from chainrule.formulas.attention import bilinear_scores_backward as bilinear_scores_backward
    from chainrule.formulas.attention import bilinear_scores_forward as bilinear_scores_forward
    from chainrule.formulas.attention import causal_mask as causal_mask
    from chainrule.formulas.attention import cross_attention_backward as cross_attention_backward
    from chainrule.formulas.attention import cross_attention_forward as cross_attention_forward
    from chainrule.formulas.attention import dot_scores_backward as dot_scores_backward
    from chainrule.formulas.attention import dot_scores_forward as dot_scores_forward
    from chainrule.formulas.attention import multi_head_attention_backward as multi_head_attention_backward
    from chainrule.formulas.attention import multi_head_attention_forward as multi_head_attention_forward
    from chainrule.formulas.attention import scaled_scores_backward as scaled_scores_backward
    from chainrule.formulas.attention import scaled_scores_forward as scaled_scores_forward
    from chainrule.formulas.attention import self_attention_backward as self_attention_backward
    from chainrule.formulas.attention import self_attention_forward as self_attention_forward
    from chainrule.formulas.beam import beam_search as beam_search
    from chainrule.formulas.beam import exhaustive_search as exhaustive_search
    from chainrule.formulas.beam import length_normalized as length_normalized
    from chainrule.formulas.beam import sequence_log_p as sequence_log_p
    from chainrule.formulas.bias_variance import bias_variance_error as bias_variance_error
    from chainrule.formulas.captioning import caption_step_backward as caption_step_backward
    from chainrule.formulas.captioning import caption_step_forward as caption_step_forward
    from chainrule.formulas.clipping import clip_by_norm as clip_by_norm
    from chainrule.formulas.clipping import clip_by_value as clip_by_value
    from chainrule.formulas.convolution import affine_to_conv as affine_to_conv
    from chainrule.formulas.convolution import conv_backward as conv_backward
    from chainrule.formulas.convolution import conv_forward as conv_forward
    from chainrule.formulas.convolution import conv_output_size as conv_output_size
    from chainrule.formulas.convolution import conv_parameters as conv_parameters
    from chainrule.formulas.convolution import conv_to_affine as conv_to_affine
    from chainrule.formulas.convolution import conv_transpose_backward as conv_transpose_backward
    from chainrule.formulas.convolution import conv_transpose_forward as conv_transpose_forward
    from chainrule.formulas.convolution import conv_transpose_output_size as conv_transpose_output_size
    from chainrule.formulas.decoder import decoder_backward as decoder_backward
    from chainrule.formulas.decoder import decoder_block_backward as decoder_block_backward
    from chainrule.formulas.decoder import decoder_block_forward as decoder_block_forward
    from chainrule.formulas.decoder import decoder_forward as decoder_forward
    from chainrule.formulas.dropout import dropout_backward as dropout_backward
    from chainrule.formulas.dropout import dropout_forward as dropout_forward
    from chainrule.formulas.embedding import bag_of_words as bag_of_words
    from chainrule.formulas.embedding import cosine_similarity as cosine_similarity
    from chainrule.formulas.embedding import inverse_document_frequency as inverse_document_frequency
    from chainrule.formulas.embedding import keep_probability as keep_probability
    from chainrule.formulas.embedding import mean_vector_backward as mean_vector_backward
    from chainrule.formulas.embedding import mean_vector_forward as mean_vector_forward
    from chainrule.formulas.embedding import negative_sampling_backward as negative_sampling_backward
    from chainrule.formulas.embedding import negative_sampling_forward as negative_sampling_forward
    from chainrule.formulas.embedding import noise_probabilities as noise_probabilities
    from chainrule.formulas.embedding import one_hot as one_hot
    from chainrule.formulas.embedding import principal_plane as principal_plane
    from chainrule.formulas.embedding import tf_idf as tf_idf
    from chainrule.formulas.ensembles import average_parameters as average_parameters
    from chainrule.formulas.ensembles import expected_calibration_error as expected_calibration_error
    from chainrule.formulas.ensembles import mean_probability as mean_probability
    from chainrule.formulas.ensembles import negative_log_likelihood as negative_log_likelihood
    from chainrule.formulas.ensembles import vote_of_members as vote_of_members
    from chainrule.formulas.features import color_shares as color_shares
    from chainrule.formulas.features import hue_histogram as hue_histogram
    from chainrule.formulas.features import hue_saturation_value as hue_saturation_value
    from chainrule.formulas.features import image_gradient as image_gradient
    from chainrule.formulas.features import joint_color_histogram as joint_color_histogram
    from chainrule.formulas.features import normalize_block as normalize_block
    from chainrule.formulas.features import orientation_histograms as orientation_histograms
    from chainrule.formulas.features import oriented_gradients as oriented_gradients
    from chainrule.formulas.graph import graph_backward as graph_backward
    from chainrule.formulas.graph import graph_forward as graph_forward
    from chainrule.formulas.graph import local_derivatives as local_derivatives
    from chainrule.formulas.initializers import constant_biases as constant_biases
    from chainrule.formulas.initializers import dirac_filters as dirac_filters
    from chainrule.formulas.initializers import gaussian_weights as gaussian_weights
    from chainrule.formulas.initializers import he_weights as he_weights
    from chainrule.formulas.initializers import orthogonal_weights as orthogonal_weights
    from chainrule.formulas.initializers import whitening_filters as whitening_filters
    from chainrule.formulas.initializers import xavier_weights as xavier_weights
    from chainrule.formulas.losses import binary_cross_entropy as binary_cross_entropy
    from chainrule.formulas.losses import binary_cross_entropy_backward as binary_cross_entropy_backward
    from chainrule.formulas.losses import log_softmax as log_softmax
    from chainrule.formulas.losses import mean_loss as mean_loss
    from chainrule.formulas.losses import mean_loss_backward as mean_loss_backward
    from chainrule.formulas.losses import mean_squared_error as mean_squared_error
    from chainrule.formulas.losses import mean_squared_error_backward as mean_squared_error_backward
    from chainrule.formulas.losses import smoothed_softmax_loss as smoothed_softmax_loss
    from chainrule.formulas.losses import smoothed_softmax_loss_backward as smoothed_softmax_loss_backward
    from chainrule.formulas.losses import softmax as softmax
    from chainrule.formulas.losses import softmax_loss as softmax_loss
    from chainrule.formulas.losses import softmax_loss_backward as softmax_loss_backward
    from chainrule.formulas.losses import svm_loss as svm_loss
    from chainrule.formulas.losses import svm_loss_backward as svm_loss_backward
    from chainrule.formulas.masked import mask_words as mask_words
    from chainrule.formulas.masked import masked_word_loss as masked_word_loss
    from chainrule.formulas.masked import masked_word_loss_backward as masked_word_loss_backward
    from chainrule.formulas.neighbors import l1_distance as l1_distance
    from chainrule.formulas.neighbors import l2_distance as l2_distance
    from chainrule.formulas.neighbors import majority_vote as majority_vote
    from chainrule.formulas.neighbors import nearest_neighbors as nearest_neighbors
    from chainrule.formulas.newton import newton_step as newton_step
    from chainrule.formulas.norms import batch_norm_test as batch_norm_test
    from chainrule.formulas.norms import batch_norm_test_backward as batch_norm_test_backward
    from chainrule.formulas.norms import batch_norm_train as batch_norm_train
    from chainrule.formulas.norms import batch_norm_train_backward as batch_norm_train_backward
    from chainrule.formulas.norms import batch_statistics as batch_statistics
    from chainrule.formulas.norms import group_norm_backward as group_norm_backward
    from chainrule.formulas.norms import group_norm_forward as group_norm_forward
    from chainrule.formulas.norms import instance_norm_backward as instance_norm_backward
    from chainrule.formulas.norms import instance_norm_forward as instance_norm_forward
    from chainrule.formulas.norms import layer_norm_backward as layer_norm_backward
    from chainrule.formulas.norms import layer_norm_forward as layer_norm_forward
    from chainrule.formulas.norms import running_average as running_average
    from chainrule.formulas.norms import standardize as standardize
    from chainrule.formulas.norms import standardize_backward as standardize_backward
    from chainrule.formulas.orthogonal_updates import muon as muon
    from chainrule.formulas.orthogonal_updates import newton_schulz as newton_schulz
    from chainrule.formulas.penalties import decay_to_penalty as decay_to_penalty
    from chainrule.formulas.penalties import elastic_net_penalty as elastic_net_penalty
    from chainrule.formulas.penalties import elastic_net_penalty_backward as elastic_net_penalty_backward
    from chainrule.formulas.penalties import full_loss as full_loss
    from chainrule.formulas.penalties import full_loss_backward as full_loss_backward
    from chainrule.formulas.penalties import l1_penalty as l1_penalty
    from chainrule.formulas.penalties import l1_penalty_backward as l1_penalty_backward
    from chainrule.formulas.penalties import l2_penalty as l2_penalty
    from chainrule.formulas.penalties import l2_penalty_backward as l2_penalty_backward
    from chainrule.formulas.penalties import penalty_to_decay as penalty_to_decay
    from chainrule.formulas.penalties import penalty_to_prior as penalty_to_prior
    from chainrule.formulas.penalties import prior_to_penalty as prior_to_penalty
    from chainrule.formulas.pooling import average_pool_backward as average_pool_backward
    from chainrule.formulas.pooling import average_pool_forward as average_pool_forward
    from chainrule.formulas.pooling import global_average_pool_backward as global_average_pool_backward
    from chainrule.formulas.pooling import global_average_pool_forward as global_average_pool_forward
    from chainrule.formulas.pooling import max_pool_backward as max_pool_backward
    from chainrule.formulas.pooling import max_pool_forward as max_pool_forward
    from chainrule.formulas.pooling import pool_output_size as pool_output_size
    from chainrule.formulas.recurrent import gru_step_backward as gru_step_backward
    from chainrule.formulas.recurrent import gru_step_forward as gru_step_forward
    from chainrule.formulas.recurrent import lstm_step_backward as lstm_step_backward
    from chainrule.formulas.recurrent import lstm_step_forward as lstm_step_forward
    from chainrule.formulas.recurrent import rnn_step_backward as rnn_step_backward
    from chainrule.formulas.recurrent import rnn_step_forward as rnn_step_forward
    from chainrule.formulas.response_norm import local_response_norm_backward as local_response_norm_backward
    from chainrule.formulas.response_norm import local_response_norm_forward as local_response_norm_forward
    from chainrule.formulas.schedules import constant_rate as constant_rate
    from chainrule.formulas.schedules import cosine_rate as cosine_rate
    from chainrule.formulas.schedules import cyclic_rate as cyclic_rate
    from chainrule.formulas.schedules import inverse_sqrt_rate as inverse_sqrt_rate
    from chainrule.formulas.schedules import linear_rate as linear_rate
    from chainrule.formulas.schedules import noam_rate as noam_rate
    from chainrule.formulas.schedules import step_rate as step_rate
    from chainrule.formulas.schedules import warm_up_rate as warm_up_rate
    from chainrule.formulas.teaching import exponential_share as exponential_share
    from chainrule.formulas.teaching import inverse_sigmoid_share as inverse_sigmoid_share
    from chainrule.formulas.teaching import linear_share as linear_share
    from chainrule.formulas.transformer import feed_forward_backward as feed_forward_backward
    from chainrule.formulas.transformer import feed_forward_forward as feed_forward_forward
    from chainrule.formulas.transformer import residual_norm_backward as residual_norm_backward
    from chainrule.formulas.transformer import residual_norm_forward as residual_norm_forward
    from chainrule.formulas.transformer import sinusoidal_positions as sinusoidal_positions
    from chainrule.formulas.transformer import transformer_backward as transformer_backward
    from chainrule.formulas.transformer import transformer_block_backward as transformer_block_backward
    from chainrule.formulas.transformer import transformer_block_forward as transformer_block_forward
    from chainrule.formulas.transformer import transformer_forward as transformer_forward
    from chainrule.formulas.transformer import transformer_trace as transformer_trace
    from chainrule.formulas.transformer import worked_transformer as worked_transformer
    from chainrule.formulas.updates import adagrad as adagrad
    from chainrule.formulas.updates import adam as adam
    from chainrule.formulas.updates import adam_l2 as adam_l2
    from chainrule.formulas.updates import adamw as adamw
    from chainrule.formulas.updates import momentum as momentum
    from chainrule.formulas.updates import momentum_step_form as momentum_step_form
    from chainrule.formulas.updates import nesterov as nesterov
    from chainrule.formulas.updates import rmsprop as rmsprop
    from chainrule.formulas.updates import sgd as sgd

__getattr__, __dir__, __all__ = lazy(
    __name__,
    {
        # activations
        "sigmoid_forward": "activations",
        "sigmoid_backward": "activations",
        "tanh_forward": "activations",
        "tanh_backward": "activations",
        "relu_forward": "activations",
        "relu_backward": "activations",
        "leaky_relu_forward": "activations",
        "leaky_relu_backward": "activations",
        "maxout_forward": "activations",
        "maxout_backward": "activations",
        "elu_forward": "activations",
        "elu_backward": "activations",
        "gelu_forward": "activations",
        "gelu_backward": "activations",
        # affine
        "affine_forward": "affine",
        "affine_backward": "affine",
        # attention
        "dot_scores_forward": "attention",
        "dot_scores_backward": "attention",
        "scaled_scores_forward": "attention",
        "scaled_scores_backward": "attention",
        "bilinear_scores_forward": "attention",
        "bilinear_scores_backward": "attention",
        "additive_scores_forward": "attention",
        "additive_scores_backward": "attention",
        "causal_mask": "attention",
        "attend_forward": "attention",
        "attend_backward": "attention",
        "attention_forward": "attention",
        "attention_backward": "attention",
        "cross_attention_forward": "attention",
        "cross_attention_backward": "attention",
        "self_attention_forward": "attention",
        "self_attention_backward": "attention",
        "multi_head_attention_forward": "attention",
        "multi_head_attention_backward": "attention",
        # transformers
        "sinusoidal_positions": "transformer",
        "feed_forward_forward": "transformer",
        "feed_forward_backward": "transformer",
        "residual_norm_forward": "transformer",
        "residual_norm_backward": "transformer",
        "transformer_block_forward": "transformer",
        "transformer_block_backward": "transformer",
        "transformer_forward": "transformer",
        "transformer_backward": "transformer",
        "decoder_block_forward": "decoder",
        "decoder_block_backward": "decoder",
        "decoder_forward": "decoder",
        "decoder_backward": "decoder",
        "worked_transformer": "transformer",
        "transformer_trace": "transformer",
        # beam
        "beam_search": "beam",
        "exhaustive_search": "beam",
        "length_normalized": "beam",
        "sequence_log_p": "beam",
        # bias_variance
        "bias_variance_error": "bias_variance",
        # captioning
        "caption_step_forward": "captioning",
        "caption_step_backward": "captioning",
        # clipping
        "clip_by_value": "clipping",
        "clip_by_norm": "clipping",
        # convolution
        "conv_output_size": "convolution",
        "conv_parameters": "convolution",
        "conv_forward": "convolution",
        "conv_backward": "convolution",
        "conv_transpose_output_size": "convolution",
        "conv_transpose_forward": "convolution",
        "conv_transpose_backward": "convolution",
        "affine_to_conv": "convolution",
        "conv_to_affine": "convolution",
        # dropout
        "dropout_forward": "dropout",
        "dropout_backward": "dropout",
        # embedding
        "one_hot": "embedding",
        "bag_of_words": "embedding",
        "inverse_document_frequency": "embedding",
        "tf_idf": "embedding",
        "noise_probabilities": "embedding",
        "keep_probability": "embedding",
        "negative_sampling_forward": "embedding",
        "negative_sampling_backward": "embedding",
        "mean_vector_forward": "embedding",
        "mean_vector_backward": "embedding",
        "cosine_similarity": "embedding",
        "principal_plane": "embedding",
        # features
        "image_gradient": "features",
        "orientation_histograms": "features",
        "normalize_block": "features",
        "oriented_gradients": "features",
        "hue_saturation_value": "features",
        "color_shares": "features",
        "hue_histogram": "features",
        "joint_color_histogram": "features",
        # graph
        "graph_forward": "graph",
        "local_derivatives": "graph",
        "graph_backward": "graph",
        # initializers
        "gaussian_weights": "initializers",
        "xavier_weights": "initializers",
        "he_weights": "initializers",
        "orthogonal_weights": "initializers",
        "constant_biases": "initializers",
        "dirac_filters": "initializers",
        "whitening_filters": "initializers",
        # losses
        "svm_loss": "losses",
        "svm_loss_backward": "losses",
        "log_softmax": "losses",
        "softmax": "losses",
        "softmax_loss": "losses",
        "softmax_loss_backward": "losses",
        "smoothed_softmax_loss": "losses",
        "smoothed_softmax_loss_backward": "losses",
        "binary_cross_entropy": "losses",
        "binary_cross_entropy_backward": "losses",
        "mean_squared_error": "losses",
        "mean_squared_error_backward": "losses",
        "mean_loss": "losses",
        "mean_loss_backward": "losses",
        # masked
        "mask_words": "masked",
        "masked_word_loss": "masked",
        "masked_word_loss_backward": "masked",
        # neighbors
        "l1_distance": "neighbors",
        "l2_distance": "neighbors",
        "nearest_neighbors": "neighbors",
        "majority_vote": "neighbors",
        # newton
        "newton_step": "newton",
        # norms
        "standardize": "norms",
        "standardize_backward": "norms",
        "batch_norm_train": "norms",
        "batch_norm_train_backward": "norms",
        "batch_norm_test": "norms",
        "batch_norm_test_backward": "norms",
        "batch_statistics": "norms",
        "running_average": "norms",
        "layer_norm_forward": "norms",
        "layer_norm_backward": "norms",
        "group_norm_forward": "norms",
        "group_norm_backward": "norms",
        "instance_norm_forward": "norms",
        "instance_norm_backward": "norms",
        # orthogonal_updates
        "newton_schulz": "orthogonal_updates",
        "muon": "orthogonal_updates",
        # penalties
        "full_loss": "penalties",
        "full_loss_backward": "penalties",
        "l2_penalty": "penalties",
        "l2_penalty_backward": "penalties",
        "l1_penalty": "penalties",
        "l1_penalty_backward": "penalties",
        "elastic_net_penalty": "penalties",
        "elastic_net_penalty_backward": "penalties",
        "prior_to_penalty": "penalties",
        "penalty_to_prior": "penalties",
        "penalty_to_decay": "penalties",
        "decay_to_penalty": "penalties",
        # pooling
        "pool_output_size": "pooling",
        "max_pool_forward": "pooling",
        "max_pool_backward": "pooling",
        "average_pool_forward": "pooling",
        "average_pool_backward": "pooling",
        "global_average_pool_forward": "pooling",
        "global_average_pool_backward": "pooling",
        # recurrent
        "rnn_step_forward": "recurrent",
        "rnn_step_backward": "recurrent",
        "lstm_step_forward": "recurrent",
        "lstm_step_backward": "recurrent",
        "gru_step_forward": "recurrent",
        "gru_step_backward": "recurrent",
        # response_norm
        "local_response_norm_forward": "response_norm",
        "local_response_norm_backward": "response_norm",
        # ensembles
        "average_parameters": "ensembles",
        "expected_calibration_error": "ensembles",
        "mean_probability": "ensembles",
        "negative_log_likelihood": "ensembles",
        "vote_of_members": "ensembles",
        # schedules
        "constant_rate": "schedules",
        "step_rate": "schedules",
        "cosine_rate": "schedules",
        "cyclic_rate": "schedules",
        "linear_rate": "schedules",
        "inverse_sqrt_rate": "schedules",
        "noam_rate": "schedules",
        "warm_up_rate": "schedules",
        # scheduled sampling
        "linear_share": "teaching",
        "exponential_share": "teaching",
        "inverse_sigmoid_share": "teaching",
        # updates
        "sgd": "updates",
        "momentum": "updates",
        "momentum_step_form": "updates",
        "nesterov": "updates",
        "adagrad": "updates",
        "rmsprop": "updates",
        "adam": "updates",
        "adam_l2": "updates",
        "adamw": "updates",
    },
)
