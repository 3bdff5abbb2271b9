"""Wrong solutions of assignments, as students hand them in. Written before the table of named slips existed."""

# ruff: noqa: F841, RUF059 (students leave names that they do not use)
import numpy as np
import torch


# affine: the sum over the batch is forgotten in db
def fc_forward(x, w, b):
    x_row = np.reshape(x, (x.shape[0], -1))
    return np.dot(x_row, w) + b, (x, w, b)


def fc_backward(dout, cache):
    x, w, b = cache
    x_row = x.reshape(x.shape[0], np.prod(x.shape[1:]))
    dx = np.dot(dout, w.T).reshape(x.shape)
    dw = np.dot(x_row.T, dout)
    db = dout[0]
    return dx, dw, db


# affine: dW transposed
def linear_fwd(X, W, b):
    flat = X.reshape(len(X), -1)
    out = flat @ W + b[None, :]
    return out, (X, flat, W)


def linear_bwd(d, saved):
    X, flat, W = saved
    return (d @ W.T).reshape(X.shape), d.T @ flat, np.ones(len(d)) @ d


# relu: mask of the upstream gradient instead of the input
def my_relu(x):
    return x.clip(min=0), x


def my_relu_backward(dout, cache):
    x = cache
    dx = dout.copy()
    dx[dout < 0] = 0
    return dx


# relu: in place, so the cache and the caller's x are changed
def relu_in_place(x):
    cache = x
    x[x < 0] = 0
    return x, cache.copy()


# sigmoid: derivative of the input, not of the output
def sig(z):
    s = 1.0 / (1.0 + np.exp(-z))
    return s, z


def sig_backward(dout, z):
    return dout * z * (1 - z)


# leaky relu: slope also where x is positive in backward
def leaky(x, slope=0.1):
    return np.where(x > 0, x, slope * x), (x, slope)


def leaky_back(dout, cache):
    x, slope = cache
    g = np.full_like(x, slope)
    g[x < 0] = 1.0
    return dout * g


# softmax: loss not divided by N
def softmax_cost(scores, labels):
    s = scores - np.max(scores, axis=1, keepdims=True)
    p = np.exp(s)
    p /= p.sum(axis=1, keepdims=True)
    n = scores.shape[0]
    cost = 0.0
    for i in range(n):
        cost += -np.log(p[i, labels[i]])
    grad = p.copy()
    grad[range(n), labels] -= 1
    return cost, grad / n


# softmax: gradient not divided by N
def xent(x, y):
    n = len(y)
    shift = x - x.max(1)[:, None]
    logz = np.log(np.exp(shift).sum(1))
    loss = np.mean(logz - shift[np.arange(n), y])
    soft = np.exp(shift - logz[:, None])
    onehot = np.zeros_like(x)
    onehot[np.arange(n), y] = 1
    return loss, soft - onehot


# softmax: the largest score is not subtracted
def softmax_naive(x, y):
    e = np.exp(x)
    probs = e / np.sum(e, axis=1, keepdims=True)
    N = x.shape[0]
    loss = -np.sum(np.log(probs[np.arange(N), y])) / N
    dx = probs
    dx[np.arange(N), y] -= 1
    dx /= N
    return loss, dx


# softmax: normalized over the examples (torch)
def ce_torch(logits, target):
    p = torch.softmax(logits, dim=0)
    loss = -torch.log(p[torch.arange(len(target)), target]).mean()
    g = torch.softmax(logits, dim=1)
    g[torch.arange(len(target)), target] -= 1
    return loss, g / len(target)


# svm: the right class is counted too
def hinge(x, y):
    N = x.shape[0]
    correct = x[np.arange(N), y].reshape(-1, 1)
    m = np.maximum(0, x - correct + 1)
    loss = m.sum() / N
    ind = (m > 0).astype(float)
    ind[np.arange(N), y] = 0
    ind[np.arange(N), y] = -ind.sum(axis=1)
    return loss, ind / N


# mse: mean over examples only, 2 forgotten in the gradient
def l2_loss(pred, target):
    diff = pred - target
    loss = (diff * diff).mean()
    return loss, diff / diff.size


# conv: the filter is flipped, forward only
def conv_loop(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)], mode="constant")
    Ho, Wo = 1 + (H + 2 * p - HH) // s, 1 + (W + 2 * p - WW) // s
    out = np.zeros((N, F, Ho, Wo))
    wf = w[:, :, ::-1, ::-1]
    for n in range(N):
        for f in range(F):
            for i in range(Ho):
                for j in range(Wo):
                    out[n, f, i, j] = np.sum(xp[n, :, i * s : i * s + HH, j * s : j * s + WW] * wf[f]) + b[f]
    return out, (x, w, b, conv_param)


# conv: stride ignored in the backward pass's dx windows is too easy to see; here db sums over the batch only by mean
def conv_ok(x, w, b, conv_param):
    s, p = conv_param["stride"], conv_param["pad"]
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    win = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::s, ::s]
    return np.einsum("nchwij,fcij->nfhw", win, w) + b[:, None, None], (x, w, conv_param)


def conv_back_assign(dout, cache):
    x, w, conv_param = cache
    s, p = conv_param["stride"], conv_param["pad"]
    xp = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(w)
    N, F, Ho, Wo = dout.shape
    HH, WW = w.shape[2:]
    for i in range(Ho):
        for j in range(Wo):
            at = (slice(None), slice(None), slice(i * s, i * s + HH), slice(j * s, j * s + WW))
            d = dout[:, :, i, j]
            dxp[at] = np.einsum("nf,fcij->ncij", d, w)  # overlapping windows overwrite each other
            dw += np.einsum("nf,ncij->fcij", d, xp[at])
    H, W = x.shape[2:]
    return dxp[:, :, p : p + H, p : p + W], dw, dout.sum((0, 2, 3))


# max pool: ties give the gradient to every winner
def mp_forward(x, pool_param):
    ph, pw, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H, W = x.shape
    Ho, Wo = (H - ph) // s + 1, (W - pw) // s + 1
    out = np.empty((N, C, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            out[:, :, i, j] = x[:, :, i * s : i * s + ph, j * s : j * s + pw].max((2, 3))
    return out, (x, pool_param)


def mp_backward_mean(dout, cache):
    x, pool_param = cache
    ph, pw, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    dx = np.zeros_like(x)
    for i in range(dout.shape[2]):
        for j in range(dout.shape[3]):
            dx[:, :, i * s : i * s + ph, j * s : j * s + pw] += dout[:, :, i, j, None, None] / (ph * pw)
    return dx


# average pool: the sum, not divided by the window
def ap_forward(x, F=2, stride=2):
    N, C, H, W = x.shape
    Ho, Wo = (H - F) // stride + 1, (W - F) // stride + 1
    out = np.zeros((N, C, Ho, Wo))
    for i in range(Ho):
        for j in range(Wo):
            out[:, :, i, j] = x[:, :, i * stride : i * stride + F, j * stride : j * stride + F].sum(axis=(2, 3))
    return out, None


# batch norm: unbiased variance
def bn(x, gamma, beta, eps=1e-5):
    mu = x.mean(axis=0)
    var = x.var(axis=0, ddof=1)
    xn = (x - mu) / np.sqrt(var + eps)
    return gamma * xn + beta, (xn, gamma, var, eps)


# batch norm: the paths through mean and variance are forgotten
def bn_fine(x, gamma, beta, bn_param):
    eps = bn_param.get("eps", 1e-5)
    mean, var = x.mean(0), x.var(0)
    istd = 1.0 / np.sqrt(var + eps)
    xhat = (x - mean) * istd
    return gamma * xhat + beta, (xhat, istd, gamma)


def bn_short_backward(dout, cache):
    xhat, istd, gamma = cache
    dgamma = np.sum(dout * xhat, axis=0)
    dbeta = np.sum(dout, axis=0)
    return dout * gamma * istd, dgamma, dbeta


# batch norm: dgamma with the raw x
def bn_fine2(x, gamma, beta):
    mean, var = x.mean(0), x.var(0)
    std = np.sqrt(var + 1e-5)
    return gamma * (x - mean) / std + beta, (x, mean, std, gamma)


def bn_dgamma(dout, cache):
    x, mean, std, gamma = cache
    N = x.shape[0]
    xh = (x - mean) / std
    dgamma = (dout * x).sum(0)
    dxh = dout * gamma
    dx = (N * dxh - dxh.sum(0) - xh * (dxh * xh).sum(0)) / (N * std)
    return dx, dgamma, dout.sum(0)


# layer norm: statistics over the batch
def ln(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    m = x.mean(axis=0, keepdims=True)
    v = x.var(axis=0, keepdims=True)
    return gamma * (x - m) / np.sqrt(v + eps) + beta, None


# dropout: no scaling
def drop(x, p, train=True):
    if not train:
        return x, None
    m = np.random.rand(*x.shape) >= p
    return x * m, m


def drop_backward(dout, m):
    return dout * m


# l2 penalty: gradient without the 2
def reg(W, lam=0.1):
    return lam * np.sum(W**2), lam * W


# momentum: sign of the step
def momentum_wrong(w, dw, config=None):
    v = config.get("velocity", np.zeros_like(w))
    mu, lr = config["momentum"], config["learning_rate"]
    v = mu * v + lr * dw
    w = w + v
    config["velocity"] = v
    return w, config


# adam: no bias correction
def adam_plain(w, dw, config):
    b1, b2 = config["beta1"], config["beta2"]
    config["t"] += 1
    config["m"] = b1 * config["m"] + (1 - b1) * dw
    config["v"] = b2 * config["v"] + (1 - b2) * dw**2
    w = w - config["learning_rate"] * config["m"] / (np.sqrt(config["v"]) + config["epsilon"])
    return w, config


# rmsprop: decay and 1 - decay swapped
def rms(w, dw, config):
    d = config["decay_rate"]
    config["cache"] = (1 - d) * config["cache"] + d * dw * dw
    return w - config["learning_rate"] * dw / (np.sqrt(config["cache"]) + config["epsilon"]), config


# rnn step: tanh' forgotten
def rnn_step(x, prev_h, Wx, Wh, b):
    h = np.tanh(x.dot(Wx) + prev_h.dot(Wh) + b)
    return h, (x, prev_h, Wx, Wh)


def rnn_step_back(dnext_h, cache):
    x, prev_h, Wx, Wh = cache
    dx = dnext_h.dot(Wx.T)
    dprev_h = dnext_h.dot(Wh.T)
    return dx, dprev_h, x.T.dot(dnext_h), prev_h.T.dot(dnext_h), dnext_h.sum(0)


# lstm step: the gradient that comes from the next cell is forgotten
def _s(a):
    return 1 / (1 + np.exp(-a))


def lstm(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    i, f, o, g = _s(a[:, :H]), _s(a[:, H : 2 * H]), _s(a[:, 2 * H : 3 * H]), np.tanh(a[:, 3 * H :])
    c = f * prev_c + i * g
    h = o * np.tanh(c)
    return h, c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, c)


def lstm_back(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, c = cache
    t = np.tanh(c)
    dc = dnext_h * o * (1 - t * t)
    da = np.hstack([dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * t * o * (1 - o), dc * i * (1 - g * g)])
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


# attention: divided by D, not by its root (torch)
def attn(q, k, v):
    d = q.shape[-1]
    scores = q @ k.transpose(-2, -1) / d
    return torch.nn.functional.softmax(scores, dim=-1) @ v


# attention: softmax over the queries
def attn_np(q, k, v):
    e = q @ k.swapaxes(-1, -2) / np.sqrt(k.shape[-1])
    e = np.exp(e - e.max(axis=-2, keepdims=True))
    a = e / e.sum(axis=-2, keepdims=True)
    return a @ v


# masked attention: mask after the softmax
def causal(q, k, v, mask):
    s = q @ k.T / np.sqrt(q.shape[1])
    s = s - s.max(axis=1, keepdims=True)
    p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
    p = p * mask
    return p @ v


# clip by norm: compares the square
def clip(g, c):
    n2 = np.sum(g * g)
    if n2 > c:
        g = g * c / np.sqrt(n2)
    return g
