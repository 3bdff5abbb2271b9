"""More wrong solutions of assignments, as students hand them in. Written after the table of named slips."""

# ruff: noqa: F841, RUF059 (students leave names that they do not use)
import math

import numpy as np
import torch


# two slips at once: db is one example's, dx is not transposed back to the weights' side (square weights hide the shape)
def dense(x, w, b):
    return x.reshape(len(x), -1).dot(w) + b, (x, w)


def dense_two(dout, cache):
    x, w = cache
    flat = x.reshape(len(x), -1)
    return dout.dot(w.T).reshape(x.shape), flat.T.dot(dout) / len(x), dout[0]


def dense_nosum(dout, cache):
    x, w = cache
    flat = x.reshape(len(x), -1)
    return (dout @ w.T).reshape(*x.shape), flat.T @ dout, dout


def dense_noreshape(dout, cache):
    x, w = cache
    return dout @ w.T, x.reshape(len(x), -1).T @ dout, dout.sum(0)


# affine_relu: the ReLU's backward pass is left out
def ar(x, w, b):
    a = x.reshape(len(x), -1) @ w + b
    return np.maximum(a, 0), (x, w)


def ar_back(dout, cache):
    x, w = cache
    return (dout @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ dout, dout.sum(0)


# tanh: square forgotten
def th(x):
    y = (np.exp(2 * np.clip(x, -300, 300)) - 1) / (np.exp(2 * np.clip(x, -300, 300)) + 1)
    return y, y


def th_back(dout, y):
    return dout * (1 - y)


# gelu in torch: cube is a square
def gelu_t(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * torch.pow(x, 2))))


# elu: alpha forgotten in the gradient
def elu(x, alpha=1.0):
    out = x.copy()
    neg = x < 0
    out[neg] = alpha * (np.exp(x[neg]) - 1)
    return out, (x, alpha)


def elu_back(dout, cache):
    x, alpha = cache
    slope = np.ones_like(x)
    slope[x < 0] = np.exp(x[x < 0])
    return slope * dout


# softmax loss with sign wrong, and the gradient of the probabilities only
def soft(x, y):
    z = x - x.max(axis=1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    N = len(y)
    grad = np.exp(logp) / N
    return -logp[np.arange(N), y].mean(), grad


def soft_neg(x, y):
    z = x - x.max(axis=1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    N = len(y)
    grad = np.exp(logp)
    grad[np.arange(N), y] -= 1
    return logp[np.arange(N), y].sum() / N, grad / N


# svm: the right class's gradient is forgotten
def svm_loop(W_scores, y):
    N, K = W_scores.shape
    loss, dx = 0.0, np.zeros((N, K))
    for i in range(N):
        for j in range(K):
            if j == y[i]:
                continue
            margin = W_scores[i, j] - W_scores[i, y[i]] + 1.0
            if margin > 0:
                loss += margin
                dx[i, j] += 1
    return loss / N, dx / N


# bce: multiplied by the sigmoid's derivative once more
def bce(scores, y):
    p = 1 / (1 + np.exp(-scores))
    loss = np.mean(np.maximum(scores, 0) - scores * y + np.log1p(np.exp(-np.abs(scores))))
    return loss, (p - y) * p * (1 - p) / len(y)


# conv in torch: padding forgotten in the forward pass
def conv_t(x, w, b, stride=1, pad=0):
    return torch.nn.functional.conv2d(x, w, b, stride=stride)


# conv: db without the sum over positions
def conv_cols(x, w, b, stride=1, pad=0):
    N, C, H, W = x.shape
    K, _, F, G = w.shape
    xp = np.pad(x, ((0,), (0,), (pad,), (pad,)))
    Ho, Wo = (H + 2 * pad - F) // stride + 1, (W + 2 * pad - G) // stride + 1
    cols = np.empty((N, Ho, Wo, C * F * G))
    for i in range(Ho):
        for j in range(Wo):
            cols[:, i, j] = xp[:, :, i * stride : i * stride + F, j * stride : j * stride + G].reshape(N, -1)
    out = cols @ w.reshape(K, -1).T + b
    return out.transpose(0, 3, 1, 2), (x.shape, w, cols, stride, pad)


def conv_cols_back(dout, cache):
    shape, w, cols, stride, pad = cache
    N, C, H, W = shape
    K, _, F, G = w.shape
    d = dout.transpose(0, 2, 3, 1)
    dw = np.tensordot(d, cols, axes=([0, 1, 2], [0, 1, 2])).reshape(w.shape)
    dcols = d @ w.reshape(K, -1)
    dxp = np.zeros((N, C, H + 2 * pad, W + 2 * pad))
    for i in range(d.shape[1]):
        for j in range(d.shape[2]):
            at = np.s_[:, :, i * stride : i * stride + F, j * stride : j * stride + G]
            dxp[at] += dcols[:, i, j].reshape(N, C, F, G)
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, d[0].sum(axis=(0, 1))


# max pool: the stride is not used
def pool_s1(x, pool_param):
    h, w, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    Ho, Wo = (x.shape[2] - h) // s + 1, (x.shape[3] - w) // s + 1
    rows = [[x[:, :, i : i + h, j : j + w].max(axis=(2, 3)) for j in range(Wo)] for i in range(Ho)]
    return np.array(rows).transpose(2, 3, 0, 1), None


# average pool: gradient not divided by the area
def avg(x, F, stride):
    v = np.lib.stride_tricks.sliding_window_view(x, (F, F), axis=(2, 3))[:, :, ::stride, ::stride]
    return v.mean(axis=(-1, -2)), (x.shape, F, stride)


def avg_back(dout, cache):
    shape, F, stride = cache
    dx = np.zeros(shape)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            dx[:, :, i * stride : i * stride + F, j * stride : j * stride + F] += dout[:, :, i : i + 1, j : j + 1]
    return dx


# batch norm: epsilon outside, gradient by autograd of what is computed (torch)
def bn_t(x, gamma, beta, eps=1e-5):
    mu, var = x.mean(0), x.var(0, unbiased=False)
    return gamma * (x - mu) / (var.sqrt() + eps) + beta


# batch norm: gamma forgotten in dx
def bnf(x, gamma, beta, eps=1e-5):
    m, s2 = np.mean(x, 0), np.var(x, 0)
    inv = (s2 + eps) ** -0.5
    xh = (x - m) * inv
    return xh * gamma + beta, (xh, inv, gamma)


def bnb(dout, cache):
    xh, inv, gamma = cache
    n = len(xh)
    dx = inv / n * (n * dout - dout.sum(0) - xh * np.sum(dout * xh, axis=0))
    return dx, np.sum(dout * xh, 0), np.sum(dout, 0)


# layer norm: dgamma and dbeta exchanged
def lnf(x, gamma, beta):
    m = x.mean(1, keepdims=True)
    s = np.sqrt(((x - m) ** 2).mean(1, keepdims=True) + 1e-5)
    xh = (x - m) / s
    return gamma * xh + beta, {"xh": xh, "s": s, "g": gamma}


def lnb(dout, cache):
    xh, s, g = cache["xh"], cache["s"], cache["g"]
    d = dout * g
    dx = (d - d.mean(1, keepdims=True) - xh * (d * xh).mean(1, keepdims=True)) / s
    return dx, dout.sum(0), (dout * xh).sum(0)


# group norm: unbiased variance
def gn(x, gamma, beta, groups, eps=1e-5):
    N, C, H, W = x.shape
    z = x.reshape(N * groups, -1)
    z = (z - z.mean(1, keepdims=True)) / np.sqrt(z.var(1, ddof=1, keepdims=True) + eps)
    return gamma.reshape(1, C, 1, 1) * z.reshape(x.shape) + beta.reshape(1, C, 1, 1)


# dropout: multiplied by the keep probability
def do(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if mode == "train":
        mask = (np.random.random(x.shape) > p) * (1 - p)
        return x * mask, (mode, mask)
    return x, (mode, None)


def do_back(dout, cache):
    mode, mask = cache
    return dout * mask if mode == "train" else dout


# nesterov: plain momentum
def nag(x, dx, v, lr, rho=0.9):
    v = rho * v - lr * dx
    return x + v, v


# adagrad: the root is missing
def ada(w, dw, config):
    config["cache"] += dw**2
    w -= config["learning_rate"] * dw / (config["cache"] + config["epsilon"])
    return w, config


# adam: t is counted up after the update
def adam_t(w, dw, config):
    lr, b1, b2, eps, t = (config[k] for k in ("learning_rate", "beta1", "beta2", "epsilon", "t"))
    config["m"] = b1 * config["m"] + (1 - b1) * dw
    config["v"] = b2 * config["v"] + (1 - b2) * dw * dw
    mh = config["m"] / (1 - b1 ** (t + 2))
    vh = config["v"] / (1 - b2 ** (t + 2))
    config["t"] = t + 1
    return w - lr * mh / (np.sqrt(vh) + eps), config


# adamw: L2 in the gradient
def adamw(x, dx, m, v, t, lr, lam, beta1=0.9, beta2=0.999, eps=1e-8):
    g = dx + lam * x
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * np.square(g)
    return x - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


# cosine: a quarter of the wave
def cosine(lr, t, T):
    return lr * math.cos(0.5 * math.pi * t / T)


# lstm: f and i exchanged in the sum (torch)
def lstm_t(x, prev_h, prev_c, Wx, Wh, b):
    i, f, o, g = (x @ Wx + prev_h @ Wh + b).chunk(4, dim=1)
    i, f, o, g = i.sigmoid(), torch.sigmoid(f), torch.sigmoid(o), torch.tanh(g)
    c = i * prev_c + f * g
    return o * torch.tanh(c), c


# gru: no reset
def gru(x, h, Wx, Wh, b):
    H = h.shape[1]
    s = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
    a, u = x @ Wx, h @ Wh + b
    z = s(a[:, :H] + u[:, :H])
    n = np.tanh(a[:, 2 * H :] + u[:, 2 * H :])
    return (1 - z) * n + z * h


# self-attention: gradient through the values is not added to dx
def selfatt(x, Wq, Wk, Wv):
    q, k, v = x @ Wq, x @ Wk, x @ Wv
    e = q @ k.T / math.sqrt(q.shape[1])
    a = np.exp(e - e.max(1, keepdims=True))
    a /= a.sum(1, keepdims=True)
    return a @ v, (x, Wq, Wk, Wv, q, k, v, a)


def selfatt_back(dout, cache):
    x, Wq, Wk, Wv, q, k, v, a = cache
    da = dout @ v.T
    de = a * (da - np.sum(da * a, axis=1, keepdims=True)) / math.sqrt(q.shape[1])
    dq, dk, dv = de @ k, de.T @ q, a.T @ dout
    return dq @ Wq.T + dk @ Wk.T, x.T @ dq, x.T @ dk, x.T @ dv


# multi-head: the root of the whole dimension
def mha(x, Wq, Wk, Wv, Wo, num_heads):
    T, D = x.shape[0], Wq.shape[1]
    hd = D // num_heads
    outs = []
    for h in range(num_heads):
        c = slice(h * hd, (h + 1) * hd)
        q, k, v = x @ Wq[:, c], x @ Wk[:, c], x @ Wv[:, c]
        e = q @ k.T / D**0.5
        a = np.exp(e - e.max(1)[:, None])
        outs.append(a / a.sum(1)[:, None] @ v)
    return np.concatenate(outs, axis=1) @ Wo


# distances: the root is forgotten
def dists(X, points):
    return (X**2).sum(1)[:, None] - 2 * X @ points.T + (points**2).sum(1)
