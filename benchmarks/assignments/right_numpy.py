"""Right solutions in NumPy, in styles of their own: loops, vectorized, the courses' signatures."""

# ruff: noqa: RUF059 (students leave names that they do not use)
import math

import numpy as np


def affine_forward(x, w, b):
    return np.dot(x.reshape(x.shape[0], -1), w) + b, (x, w, b)


def affine_backward(dout, cache):
    x, w, b = cache
    return np.dot(dout, w.T).reshape(x.shape), np.dot(x.reshape(x.shape[0], -1).T, dout), np.sum(dout, axis=0)


def affine_loops(X, W, bias):
    n = X.shape[0]
    flat = X.reshape(n, -1)
    out = np.zeros((n, W.shape[1]))
    for i in range(n):
        for k in range(W.shape[1]):
            out[i, k] = sum(flat[i, d] * W[d, k] for d in range(flat.shape[1])) + bias[k]
    return out


def linear_einsum(x, weight, bias):
    flat = x.reshape(len(x), -1)
    return np.einsum("nd,dk->nk", flat, weight) + bias, {"x": x, "w": weight}


def linear_einsum_back(grad_output, cache):
    x, w = cache["x"], cache["w"]
    flat = x.reshape(len(x), -1)
    return {
        "dx": np.einsum("nk,dk->nd", grad_output, w).reshape(x.shape),
        "dw": np.einsum("nd,nk->dk", flat, grad_output),
        "db": np.ones(len(x)) @ grad_output,
    }


def affine_relu(x, w, b):
    a, fc = affine_forward(x, w, b)
    return np.where(a > 0, a, 0), (fc, a)


def affine_relu_back(dout, cache):
    fc, a = cache
    return affine_backward(np.where(a > 0, dout, 0), fc)


def relu(x):
    return np.maximum(x, 0), x


def relu_back(dout, x):
    dx = np.array(dout)
    dx[x <= 0] = 0
    return dx


def relu_abs(x):
    return (x + np.abs(x)) / 2


def leaky(x, alpha=0.1):
    return np.where(x >= 0, x, alpha * x), (x, alpha)


def leaky_b(dout, cache):
    x, alpha = cache
    return dout * ((x > 0) + alpha * (x <= 0))


def sigmoid(x):
    out = np.empty_like(x)
    pos = x >= 0
    out[pos] = 1 / (1 + np.exp(-x[pos]))
    e = np.exp(x[~pos])
    out[~pos] = e / (1 + e)
    return out, out


def sigmoid_b(dout, s):
    return dout * (s - s**2)


def sigmoid_simple(z):
    return 1 / (1 + np.exp(-z))


def tanh(x):
    t = np.tanh(x)
    return t, t


def tanh_b(dout, t):
    return dout * (1 + t) * (1 - t)


def elu(x, alpha=1.0):
    return np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1)), (x, alpha)


def elu_b(dout, cache):
    x, alpha = cache
    out = np.where(x > 0, x, alpha * (np.exp(np.minimum(x, 0)) - 1))
    return dout * np.where(x > 0, 1.0, out + alpha)


def gelu(x):
    c = math.sqrt(2 / math.pi)
    t = np.tanh(c * (x + 0.044715 * x * x * x))
    return x * (1 + t) / 2, (x, t, c)


def gelu_b(dout, cache):
    x, t, c = cache
    return dout * ((1 + t) / 2 + x / 2 * (1 - t * t) * c * (1 + 0.134145 * x * x))


def gelu_exact(x):
    return np.array([v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x.ravel()]).reshape(x.shape)


def softmax_loss(x, y):
    shifted = x - np.max(x, axis=1, keepdims=True)
    Z = np.sum(np.exp(shifted), axis=1, keepdims=True)
    log_probs = shifted - np.log(Z)
    probs = np.exp(log_probs)
    N = x.shape[0]
    loss = -np.sum(log_probs[np.arange(N), y]) / N
    dx = probs.copy()
    dx[np.arange(N), y] -= 1
    return loss, dx / N


def softmax_loops(scores, labels):
    n, k = scores.shape
    loss, grad = 0.0, np.zeros((n, k))
    for i in range(n):
        s = scores[i] - max(scores[i])
        p = [math.exp(v) for v in s]
        total = sum(p)
        loss += math.log(total) - s[labels[i]]
        for j in range(k):
            grad[i, j] = (p[j] / total - (1 if j == labels[i] else 0)) / n
    return loss / n, grad


def softmax_common(scores, y):
    e = np.exp(scores - scores.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    loss = np.mean(-np.log(p[np.arange(len(y)), y]))
    p[np.arange(len(y)), y] -= 1
    return loss, p / len(y)


def softmax_each(scores, y):
    m = scores.max(axis=1)
    return m + np.log(np.exp(scores - m[:, None]).sum(axis=1)) - np.take_along_axis(scores, y[:, None], 1)[:, 0]


def svm_loss(x, y):
    N = x.shape[0]
    margins = np.maximum(0, x - x[np.arange(N), y][:, np.newaxis] + 1.0)
    margins[np.arange(N), y] = 0
    dx = np.zeros_like(x)
    dx[margins > 0] = 1
    dx[np.arange(N), y] -= np.sum(margins > 0, axis=1)
    return np.sum(margins) / N, dx / N


def svm_loops(scores, y):
    total = 0.0
    for s, c in zip(scores, y):
        total += sum(max(0, s[j] - s[c] + 1) for j in range(len(s)) if j != c)
    return total / len(y)


def mse(pred, target):
    d = pred - target
    return np.mean(d**2), 2 * d / d.size


def mse_sum(y_hat, y):
    d = y_hat - y
    return np.sum(d**2) / len(d), 2 * d / len(d)


def mse_half(y_pred, y):
    d = y_pred - y
    return 0.5 * np.mean(d * d), d / d.size


def bce(logits, y):
    loss = np.mean(np.maximum(logits, 0) - logits * y + np.log1p(np.exp(-np.abs(logits))))
    return loss, (1 / (1 + np.exp(-logits)) - y) / len(y)


def bce_probabilities(scores, y):
    p = 1 / (1 + np.exp(-scores))
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p)), (p - y) / y.shape[0]


def l2(W, lam=1.0):
    return lam * np.sum(W * W), 2 * lam * W


def l2_half(W, reg):
    return 0.5 * reg * np.linalg.norm(W) ** 2, reg * W


def l1(w, lam):
    return lam * np.abs(w).sum(), lam * np.sign(w)


def conv_forward_naive(x, w, b, conv_param):
    stride, pad = conv_param["stride"], conv_param["pad"]
    N, C, H, W = x.shape
    F, _, HH, WW = w.shape
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), "constant")
    Ho, Wo = 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride
    out = np.zeros((N, F, Ho, Wo))
    for n in range(N):
        for f in range(F):
            for i in range(Ho):
                for j in range(Wo):
                    window = xp[n, :, i * stride : i * stride + HH, j * stride : j * stride + WW]
                    out[n, f, i, j] = np.sum(window * w[f]) + b[f]
    return out, (x, w, b, conv_param)


def conv_backward_naive(dout, cache):
    x, w, b, conv_param = cache
    stride, pad = conv_param["stride"], conv_param["pad"]
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxp, dw, db = np.zeros_like(xp), np.zeros_like(w), np.zeros_like(b)
    N, F, Ho, Wo = dout.shape
    HH, WW = w.shape[2:]
    for n in range(N):
        for f in range(F):
            db[f] += dout[n, f].sum()
            for i in range(Ho):
                for j in range(Wo):
                    r, c = i * stride, j * stride
                    dw[f] += xp[n, :, r : r + HH, c : c + WW] * dout[n, f, i, j]
                    dxp[n, :, r : r + HH, c : c + WW] += w[f] * dout[n, f, i, j]
    H, W = x.shape[2:]
    return dxp[:, :, pad : pad + H, pad : pad + W], dw, db


def conv_windows(x, w, b, stride=1, pad=0):
    xp = np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)])
    win = np.lib.stride_tricks.sliding_window_view(xp, w.shape[-2:], (2, 3))[:, :, ::stride, ::stride]
    return np.tensordot(win, w, ([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2) + b.reshape(1, -1, 1, 1)


def max_pool_forward(x, pool_param):
    ph, pw, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    N, C, H, W = x.shape
    out = np.zeros((N, C, 1 + (H - ph) // s, 1 + (W - pw) // s))
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            out[:, :, i, j] = np.max(x[:, :, i * s : i * s + ph, j * s : j * s + pw], axis=(2, 3))
    return out, (x, pool_param)


def max_pool_backward(dout, cache):
    x, pool_param = cache
    ph, pw, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        window = x[n, c, i * s : i * s + ph, j * s : j * s + pw]
        r, q = np.unravel_index(np.argmax(window), window.shape)
        dx[n, c, i * s + r, j * s + q] += dout[n, c, i, j]
    return dx


def max_pool_backward_ties(dout, cache):
    x, pool_param = cache
    ph, pw, s = pool_param["pool_height"], pool_param["pool_width"], pool_param["stride"]
    dx = np.zeros_like(x)
    for n, c, i, j in np.ndindex(*dout.shape):
        window = x[n, c, i * s : i * s + ph, j * s : j * s + pw]
        dx[n, c, i * s : i * s + ph, j * s : j * s + pw] += (window == window.max()) * dout[n, c, i, j]
    return dx


def avg_pool(x, size, stride):
    v = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    return v.mean(axis=(-2, -1)), (x, size, stride)


def avg_pool_back(dout, cache):
    x, size, stride = cache
    dx = np.zeros(x.shape)
    for u in range(size):
        for v in range(size):
            h, w = dout.shape[2:]
            dx[:, :, u : u + stride * (h - 1) + 1 : stride, v : v + stride * (w - 1) + 1 : stride] += dout / size**2
    return dx


def batchnorm_forward(x, gamma, beta, bn_param):
    mode, eps, momentum = bn_param["mode"], bn_param.get("eps", 1e-5), bn_param.get("momentum", 0.9)
    D = x.shape[1]
    running_mean = bn_param.get("running_mean", np.zeros(D))
    running_var = bn_param.get("running_var", np.zeros(D))
    if mode == "train":
        mu, var = x.mean(axis=0), x.var(axis=0)
        std = np.sqrt(var + eps)
        xhat = (x - mu) / std
        out, cache = gamma * xhat + beta, (xhat, std, gamma)
        running_mean = momentum * running_mean + (1 - momentum) * mu
        running_var = momentum * running_var + (1 - momentum) * var
    else:
        out, cache = gamma * (x - running_mean) / np.sqrt(running_var + eps) + beta, None
    bn_param["running_mean"], bn_param["running_var"] = running_mean, running_var
    return out, cache


def batchnorm_backward(dout, cache):
    xhat, std, gamma = cache
    N = len(dout)
    dxhat = dout * gamma
    dx = (N * dxhat - dxhat.sum(0) - xhat * (dxhat * xhat).sum(0)) / (N * std)
    return dx, (dout * xhat).sum(0), dout.sum(0)


def bn_staged(x, gamma, beta, eps=1e-5):
    N = x.shape[0]
    mu = 1.0 / N * np.sum(x, axis=0)
    xmu = x - mu
    var = 1.0 / N * np.sum(xmu**2, axis=0)
    sqrtvar = np.sqrt(var + eps)
    ivar = 1.0 / sqrtvar
    xhat = xmu * ivar
    return gamma * xhat + beta, (xhat, gamma, xmu, ivar, sqrtvar, var, eps)


def bn_staged_backward(dout, cache):
    xhat, gamma, xmu, ivar, sqrtvar, var, eps = cache
    N, D = dout.shape
    dbeta = np.sum(dout, axis=0)
    dgamma = np.sum(dout * xhat, axis=0)
    dxhat = dout * gamma
    divar = np.sum(dxhat * xmu, axis=0)
    dxmu1 = dxhat * ivar
    dsqrtvar = -1.0 / (sqrtvar**2) * divar
    dvar = 0.5 / np.sqrt(var + eps) * dsqrtvar
    dsq = 1.0 / N * np.ones((N, D)) * dvar
    dxmu2 = 2 * xmu * dsq
    dx1 = dxmu1 + dxmu2
    dmu = -1 * np.sum(dx1, axis=0)
    return dx1 + 1.0 / N * np.ones((N, D)) * dmu, dgamma, dbeta


def bn_small_epsilon(x, gamma, beta):
    return gamma * (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-8) + beta


def layernorm_forward(x, gamma, beta, ln_param):
    eps = ln_param.get("eps", 1e-5)
    xt = x.T
    xhat = ((xt - xt.mean(0)) / np.sqrt(xt.var(0) + eps)).T
    return gamma * xhat + beta, (xhat, np.sqrt(xt.var(0) + eps), gamma)


def layernorm_backward(dout, cache):
    xhat, std, gamma = cache
    D = dout.shape[1]
    g = dout * gamma
    dx = (D * g - g.sum(1, keepdims=True) - xhat * (g * xhat).sum(1, keepdims=True)) / (D * std[:, None])
    return dx, np.einsum("nd,nd->d", dout, xhat), dout.sum(axis=0)


def groupnorm(x, gamma, beta, num_groups):
    N, C, H, W = x.shape
    out = np.empty_like(x)
    for n in range(N):
        for g in range(num_groups):
            c = slice(g * C // num_groups, (g + 1) * C // num_groups)
            part = x[n, c]
            out[n, c] = (part - part.mean()) / np.sqrt(part.var() + 1e-5)
    return out * gamma[None, :, None, None] + beta[None, :, None, None]


def instancenorm(x, gamma, beta, eps=1e-5):
    m = x.mean(axis=(2, 3), keepdims=True)
    s = x.std(axis=(2, 3), keepdims=True)
    return gamma[:, None, None] * (x - m) / np.sqrt(s**2 + eps) + beta[:, None, None]


def dropout_forward(x, dropout_param):
    p, mode = dropout_param["p"], dropout_param["mode"]
    if "seed" in dropout_param:
        np.random.seed(dropout_param["seed"])
    mask = None
    if mode == "train":
        mask = (np.random.rand(*x.shape) < p) / p
        out = x * mask
    else:
        out = x
    return out, (dropout_param, mask)


def dropout_backward(dout, cache):
    dropout_param, mask = cache
    return dout * mask if dropout_param["mode"] == "train" else dout


def drop(x, p, rng):
    keep = rng.random(x.shape) > p
    return np.where(keep, x / (1 - p), 0.0), keep / (1 - p)


def drop_back(dout, scale):
    return dout * scale


def sgd(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    w -= config["learning_rate"] * dw
    return w, config


def sgd_momentum(w, dw, config=None):
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config.get("velocity", np.zeros_like(w))
    v = config["momentum"] * v - config["learning_rate"] * dw
    next_w = w + v
    config["velocity"] = v
    return next_w, config


def momentum_sum(x, dx, v, lr, rho=0.9):
    v = rho * v + dx
    return x - lr * v, v


def nesterov(x, dx, v, lr, rho=0.9):
    v_prev = v
    v = rho * v - lr * dx
    return x + v + rho * (v - v_prev), v


def adagrad(w, dw, config):
    config["cache"] = config["cache"] + dw * dw
    return w - config["learning_rate"] * dw / (np.sqrt(config["cache"]) + config["epsilon"]), config


def adagrad_inside(x, dx, s, lr, eps=1e-8):
    s = s + dx**2
    return x - lr * dx / np.sqrt(s + eps), s


def rmsprop(w, dw, config):
    config["cache"] = config["decay_rate"] * config["cache"] + (1 - config["decay_rate"]) * dw**2
    return w - config["learning_rate"] * dw / (np.sqrt(config["cache"]) + config["epsilon"]), config


def adam(w, dw, config=None):
    config["t"] += 1
    t = config["t"]
    config["m"] = config["beta1"] * config["m"] + (1 - config["beta1"]) * dw
    config["v"] = config["beta2"] * config["v"] + (1 - config["beta2"]) * (dw**2)
    rate = config["learning_rate"] * np.sqrt(1 - config["beta2"] ** t) / (1 - config["beta1"] ** t)
    eps = config["epsilon"] * np.sqrt(1 - config["beta2"] ** t)
    return w - rate * config["m"] / (np.sqrt(config["v"]) + eps), config


def adam_plain(theta, grad, m, v, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    m = m + (1 - beta1) * (grad - m)
    v = v + (1 - beta2) * (grad**2 - v)
    return theta - lr * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


def adamw(x, dx, m, v, t, lr, weight_decay, beta1=0.9, beta2=0.999, eps=1e-8):
    m, v = beta1 * m + (1 - beta1) * dx, beta2 * v + (1 - beta2) * dx**2
    step = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return x * (1 - lr * weight_decay) - lr * step, m, v


def cosine(base_lr, step, total):
    return 0.5 * base_lr * (1 + np.cos(np.pi * step / total))


def linear(lr, epoch, epochs):
    return lr - lr * epoch / epochs


def inv_sqrt(lr, t):
    return lr * t**-0.5


def drops(lr, epoch):
    for e in (30, 60, 90):
        if epoch >= e:
            lr = lr * 0.1
    return lr


def clip(grad, max_norm):
    n = np.linalg.norm(grad)
    return grad * (max_norm / n) if n > max_norm else grad


def clip_v(g, c):
    return np.clip(g, -c, c)


def rnn(x, prev_h, Wx, Wh, b):
    z = np.hstack([x, prev_h]) @ np.vstack([Wx, Wh]) + b
    h = np.tanh(z)
    return h, (x, prev_h, Wx, Wh, h)


def rnn_back(dnext_h, cache):
    x, prev_h, Wx, Wh, h = cache
    dz = dnext_h - dnext_h * h * h
    return np.dot(dz, Wx.T), np.dot(dz, Wh.T), np.dot(x.T, dz), np.dot(prev_h.T, dz), np.sum(dz, 0)


def _sg(a):
    return 0.5 * (1 + np.tanh(a / 2))


def lstm(x, prev_h, prev_c, Wx, Wh, b):
    H = prev_h.shape[1]
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    i, f, o = _sg(a[:, :H]), _sg(a[:, H : 2 * H]), _sg(a[:, 2 * H : 3 * H])
    g = np.tanh(a[:, 3 * H :])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (i, f, o, g, x, prev_h, prev_c, Wx, Wh, next_c)


def lstm_back(dnext_h, dnext_c, cache):
    i, f, o, g, x, prev_h, prev_c, Wx, Wh, next_c = cache
    t = np.tanh(next_c)
    dc = dnext_c + o * (1 - t**2) * dnext_h
    da = np.hstack((i * (1 - i) * g * dc, f * (1 - f) * prev_c * dc, o * (1 - o) * t * dnext_h, (1 - g**2) * i * dc))
    return da.dot(Wx.T), da.dot(Wh.T), f * dc, x.T.dot(da), prev_h.T.dot(da), da.sum(axis=0)


def gru(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    xz, xr, xn = (x @ Wx)[:, :H], (x @ Wx)[:, H : 2 * H], (x @ Wx)[:, 2 * H :]
    hz, hr, hn = np.split(prev_h @ Wh + b, 3, axis=1)
    z, r = _sg(xz + hz), _sg(xr + hr)
    n = np.tanh(xn + r * hn)
    return n + z * (prev_h - n)


def gru_cho(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    z = _sg(x @ Wx[:, :H] + prev_h @ Wh[:, :H] + b[:H])
    r = _sg(x @ Wx[:, H : 2 * H] + prev_h @ Wh[:, H : 2 * H] + b[H : 2 * H])
    n = np.tanh(x @ Wx[:, 2 * H :] + (r * prev_h) @ Wh[:, 2 * H :] + b[2 * H :])
    return z * prev_h + (1 - z) * n


def attention(q, k, v):
    e = np.einsum("md,nd->mn", q, k) / math.sqrt(k.shape[1])
    e -= e.max(axis=1, keepdims=True)
    w = np.exp(e)
    w /= w.sum(axis=1, keepdims=True)
    return w @ v, (q, k, v, w)


def attention_back(dout, cache):
    q, k, v, w = cache
    dw = dout @ v.T
    de = np.stack([(np.diag(r) - np.outer(r, r)) @ d for r, d in zip(w, dw)]) / math.sqrt(k.shape[1])
    return de @ k, de.T @ q, w.T @ dout


def attention_unscaled(q, k, v):
    e = q @ k.T
    e = np.exp(e - e.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True) @ v


def masked(q, k, v, mask):
    e = q @ k.T / np.sqrt(q.shape[-1])
    e = np.where(mask, e, -1e18)
    e = np.exp(e - e.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True) @ v


def causal(q, k, v):
    out = []
    for t in range(len(q)):
        e = k[: t + 1] @ q[t] / math.sqrt(len(q[t]))
        a = np.exp(e - e.max())
        out.append(a / a.sum() @ v[: t + 1])
    return np.array(out)


def mha(x, Wq, Wk, Wv, Wo, num_heads):
    T, D = len(x), Wq.shape[1]
    q, k, v = ((x @ W).reshape(T, num_heads, D // num_heads).transpose(1, 0, 2) for W in (Wq, Wk, Wv))
    e = q @ k.transpose(0, 2, 1) / math.sqrt(D // num_heads)
    a = np.exp(e - e.max(-1, keepdims=True))
    a = a / a.sum(-1, keepdims=True)
    return (a @ v).transpose(1, 0, 2).reshape(T, D) @ Wo


def dists_two_loops(X, X_train):
    d = np.zeros((len(X), len(X_train)))
    for i in range(len(X)):
        for j in range(len(X_train)):
            d[i, j] = np.sqrt(np.sum((X[i] - X_train[j]) ** 2))
    return d


def dists_no_loop(X, X_train):
    sq = (X**2).sum(1, keepdims=True) - 2 * X @ X_train.T + (X_train**2).sum(1)
    return np.sqrt(np.maximum(sq, 0))
