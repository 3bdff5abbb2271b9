"""Wrong solutions of assignments that nothing was adjusted to: written last, judged once."""

# ruff: noqa: RUF059 (students leave names that they do not use)
import numpy as np
import torch


# sigmoid in torch: s instead of s (1 - s)
def sg(x):
    s = torch.sigmoid(x)
    return s, s


def sg_back(dout, s):
    return dout * s


# softmax: averaged over all scores
def sm(x, y):
    z = x - x.max(1, keepdims=True)
    logp = z - np.log(np.exp(z).sum(1, keepdims=True))
    t = np.eye(x.shape[1])[y]
    return -(t * logp).mean(), (np.exp(logp) - t) / len(x)


# svm: margin forgotten in the loss and in the gradient
def hinge(scores, y):
    n = len(y)
    d = scores - scores[range(n), y].reshape(n, 1)
    m = np.where(d > 0, d, 0)
    g = (m > 0) * 1.0
    g[range(n), y] = -g.sum(1)
    return m.sum() / n, g / n


# affine: bias gradient over the wrong axis; square case hides it
def lin(x, w, b):
    return x.reshape(x.shape[0], -1) @ w + b, (x, w, b)


def lin_back(dout, cache):
    x, w, b = cache
    d = dout.reshape(len(x), -1)
    return (d @ w.T).reshape(x.shape), x.reshape(len(x), -1).T @ d, d.sum(axis=1)


# conv: channels are averaged
def cv(x, w, b, stride=1, pad=0):
    xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    win = np.lib.stride_tricks.sliding_window_view(xp, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
    return np.einsum("nchwij,kcij->nkhw", win, w) / x.shape[1] + b[:, None, None]


# max pool: padding with zeros counts, so all-negative windows give 0
def mp(x, pool_size, stride):
    N, C, H, W = x.shape
    Ho, Wo = (H - pool_size) // stride + 1, (W - pool_size) // stride + 1
    out = np.zeros((N, C, Ho, Wo))
    for n, c, i, j in np.ndindex(N, C, Ho, Wo):
        for u in range(pool_size):
            for v in range(pool_size):
                out[n, c, i, j] = max(out[n, c, i, j], x[n, c, i * stride + u, j * stride + v])
    return out


# batch norm: mean not subtracted in the variance's path (dvar uses x)
def bn(x, gamma, beta, eps=1e-5):
    mu, var = x.mean(0), x.var(0)
    xh = (x - mu) / np.sqrt(var + eps)
    return gamma * xh + beta, (xh, np.sqrt(var + eps), gamma)


def bn_back(dout, cache):
    xh, s, g = cache
    d = dout * g
    return (d - d.mean(0)) / s, (dout * xh).sum(0), dout.sum(0)


# batch norm: test mode with the batch's statistics
def bn_mode(x, gamma, beta, bn_param):
    rm, rv, mom = bn_param["running_mean"], bn_param["running_var"], bn_param["momentum"]
    eps = bn_param["eps"]
    mu, var = x.mean(0), x.var(0)
    if bn_param["mode"] == "train":
        bn_param["running_mean"] = mom * rm + (1 - mom) * mu
        bn_param["running_var"] = mom * rv + (1 - mom) * var
    return gamma * (x - mu) / np.sqrt(var + eps) + beta, None


# instance norm: over the channels too
def inorm(x, gamma, beta):
    m = x.mean((1, 2, 3), keepdims=True)
    v = x.var((1, 2, 3), keepdims=True)
    return (x - m) / np.sqrt(v + 1e-5) * gamma.reshape(1, -1, 1, 1) + beta.reshape(1, -1, 1, 1)


# momentum: the old velocity moves the point
def mom(w, dw, config):
    w = w + config["velocity"]
    config["velocity"] = config["momentum"] * config["velocity"] - config["learning_rate"] * dw
    return w, config


# rmsprop: the share of the new square is forgotten
def rms(x, dx, s, lr, decay_rate=0.99, eps=1e-8):
    s = decay_rate * s + dx**2
    return x - lr * dx / (np.sqrt(s) + eps), s


# adam: second moment of the gradient, not of its square
def adam(x, dx, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    m = beta1 * m + (1 - beta1) * dx
    v = beta2 * v + (1 - beta2) * dx**2
    mh, vh = m / (1 - beta1**t), v / (1 - beta2**t)
    return x - lr * mh / (vh + eps), m, v


# rnn: the old state is multiplied by a matrix that is not transposed on the way back
def rnn(x, prev_h, Wx, Wh, b):
    h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return h, (x, prev_h, Wx, Wh, h)


def rnn_back(dnext_h, cache):
    x, prev_h, Wx, Wh, h = cache
    d = dnext_h * (1 - h**2)
    return d @ Wx.T, d @ Wh, x.T @ d, prev_h.T @ d, d.sum(0)


# gru: the path straight through z is missing (with a backward pass of its own)
def gru(x, prev_h, Wx, Wh, b):
    H = prev_h.shape[1]
    s = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
    a, u = x @ Wx, prev_h @ Wh + b
    z, r = s(a[:, :H] + u[:, :H]), s(a[:, H : 2 * H] + u[:, H : 2 * H])
    n = np.tanh(a[:, 2 * H :] + r * u[:, 2 * H :])
    return (1 - z) * n + z * prev_h, (x, prev_h, Wx, Wh, z, r, n, u[:, 2 * H :])


def gru_back(dnext_h, cache):
    x, prev_h, Wx, Wh, z, r, n, un = cache
    dn = dnext_h * (1 - z) * (1 - n * n)
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    dr = dn * un * r * (1 - r)
    da, du = np.hstack([dz, dr, dn]), np.hstack([dz, dr, dn * r])
    return da @ Wx.T, du @ Wh.T, x.T @ da, prev_h.T @ du, du.sum(0)


# attention: the softmax's derivative is only its diagonal
def at(q, k, v):
    e = q @ k.T / np.sqrt(q.shape[1])
    a = np.exp(e - e.max(1, keepdims=True))
    a = a / a.sum(1, keepdims=True)
    return a @ v, (q, k, v, a)


def at_back(dout, cache):
    q, k, v, a = cache
    de = (dout @ v.T) * a * (1 - a) / np.sqrt(q.shape[1])
    return de @ k, de.T @ q, a.T @ dout


# masked attention in torch: scores behind the mask become 0
def ma(q, k, v, mask):
    e = q @ k.T / q.shape[-1] ** 0.5
    e = torch.where(mask, e, torch.zeros_like(e))
    return torch.softmax(e, -1) @ v


# dropout: mask drawn anew for backward is impossible to see; here the mask is not kept at all
def do(x, p):
    mask = (np.random.rand(*x.shape) >= p) / (1 - p)
    return x * mask, mask


def do_back(dout, mask):
    return dout * (mask > 0)


# clip: a short gradient is made longer
def clip(grad, max_norm):
    return grad * max_norm / (np.linalg.norm(grad) + 1e-12)


# leaky relu: sign of the slope
def leaky(x, slope=0.1):
    return np.where(x > 0, x, -slope * x)


# step schedule: one epoch late
def step(lr, epoch):
    return lr * 0.1 ** ((epoch > 30) + (epoch > 60) + (epoch > 90))
