"""Right solutions in torch."""

import torch
import torch.nn.functional as F


def linear(x, W, b):
    return F.linear(x.flatten(1), W.t(), b)


def relu(x):
    return x.clamp(min=0), x


def relu_back(dout, x):
    return dout * (x > 0).to(dout.dtype)


def cross_entropy(scores, y):
    return F.cross_entropy(scores, y)


def nll(scores, y):
    logp = torch.log_softmax(scores, 1)
    dx = logp.exp()
    dx[torch.arange(len(y)), y] -= 1
    return -logp.gather(1, y[:, None]).mean(), dx / len(y)


def conv(x, w, b, stride=1, padding=0):
    return F.conv2d(x, w, b, stride=stride, padding=padding)


def maxpool(x, kernel_size, stride):
    return F.max_pool2d(x, kernel_size, stride)


def batchnorm(x, gamma, beta, eps=1e-5):
    return F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps) if len(x) > 1 else beta.expand_as(x)


def bn_methods(x, gamma, beta, eps=1e-5):
    return gamma * (x - x.mean(0)) / (x.var(0, unbiased=False) + eps).sqrt() + beta


def layernorm(x, gamma, beta, eps=1e-5):
    return F.layer_norm(x, x.shape[1:], gamma, beta, eps)


def lstm_cell(x, prev_h, prev_c, Wx, Wh, b):
    a = x @ Wx + prev_h @ Wh + b
    i, f, o, g = torch.split(a, prev_h.shape[1], dim=1)
    c = torch.sigmoid(f) * prev_c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


def attention(query, key, value):
    return F.scaled_dot_product_attention(query[None], key[None], value[None])[0]


def adam(p, grad, m, v, t, lr, b1=0.9, b2=0.999, eps=1e-8):
    m.mul_(b1).add_(grad, alpha=1 - b1)
    v.mul_(b2).addcmul_(grad, grad, value=1 - b2)
    p.addcdiv_(m / (1 - b1**t), (v / (1 - b2**t)).sqrt() + eps, value=-lr)
    return p, m, v


def gelu(x):
    return F.gelu(x, approximate="tanh")


def dropout(x, p, training=True):
    return F.dropout(x, p, training)


def cdist(X, points):
    return (X[:, None] - points[None]).norm(dim=2)


def float32_softmax(scores, y):
    return F.cross_entropy(scores.float(), y)
