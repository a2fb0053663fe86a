"""Chains of one-sample SGD steps on a ReLU MLP, compiled for the CPU. Imports numba.

Every weight matrix is stored input-major, (in, out), so that the three things a step does with it
(forward, backward, update) walk along rows, and only along the rows of inputs that are not zero:
about 150 of 784 for MNIST, half of each hidden layer. Rows that no step of a batch has touched
need no interpolation either.

The compiler may fuse and reorder sums but may assume nothing about NaN and infinity: a diverging
chain has to stay visible.
"""

from __future__ import annotations

import numpy as np
from numba import njit

FLAGS = {"contract", "reassoc", "nsz", "arcp"}


@njit(cache=True, fastmath=FLAGS)
def _copy(target, source):
    """target (n,) ← source (n,); several times faster here than an assignment of slices."""
    for o in range(len(target)):
        target[o] = source[o]


@njit(cache=True, fastmath=FLAGS)
def _accumulate(z, weight, a, active, count):
    """z (out,) += Σ a_i · weight[i] over the active inputs i, four rows at a time."""
    k = 0
    while k + 4 <= count:
        i0, i1, i2, i3 = active[k], active[k + 1], active[k + 2], active[k + 3]
        a0, a1, a2, a3 = a[i0], a[i1], a[i2], a[i3]
        w0, w1, w2, w3 = weight[i0], weight[i1], weight[i2], weight[i3]
        for o in range(len(z)):
            z[o] += a0 * w0[o] + a1 * w1[o] + a2 * w2[o] + a3 * w3[o]
        k += 4
    while k < count:
        a0, w0 = a[active[k]], weight[active[k]]
        for o in range(len(z)):
            z[o] += a0 * w0[o]
        k += 1


@njit(cache=True, fastmath=FLAGS)
def _forward(theta, widths, acts, active, counts, unit_at, weight_at):
    """Fill ``acts`` and the lists of active units, layer by layer, from the inputs in ``acts``."""
    layers = len(widths) - 1
    for layer in range(layers):
        n_in, n_out = widths[layer], widths[layer + 1]
        a = acts[unit_at[layer] : unit_at[layer] + n_in]
        z = acts[unit_at[layer + 1] : unit_at[layer + 1] + n_out]
        on = active[unit_at[layer] : unit_at[layer] + n_in]
        count = 0
        for i in range(n_in):
            if layer > 0 and a[i] <= 0:  # ReLU; NaN stays NaN
                a[i] = 0
            on[count] = i
            count += a[i] != 0
        counts[layer] = count
        at = weight_at[layer]
        _copy(z, theta[at + n_in * n_out : at + n_in * n_out + n_out])
        _accumulate(z, theta[at : at + n_in * n_out].reshape((n_in, n_out)), a, on, count)


@njit(cache=True, fastmath=FLAGS)
def _output_delta(logits, delta, label, visible, scale):
    """delta (C,) = scale · (softmax over the visible outputs - one-hot label)."""
    top = np.float32(-np.inf)
    for o in range(len(logits)):
        if visible[o] and logits[o] > top:
            top = logits[o]
    total = np.float32(0)
    for o in range(len(logits)):
        delta[o] = np.exp(logits[o] - top) if visible[o] else np.float32(0)
        total += delta[o]
    for o in range(len(logits)):
        delta[o] = scale * delta[o] / total
    if visible[label]:
        delta[label] -= scale


@njit(cache=True, fastmath=FLAGS)
def _backward(theta, widths, deltas, active, counts, unit_at, weight_at):
    """Fill ``deltas`` of the hidden units, from the deltas of the outputs."""
    for layer in range(len(widths) - 2, 0, -1):
        n_in, n_out = widths[layer], widths[layer + 1]
        below = deltas[unit_at[layer] : unit_at[layer] + n_in]
        on = active[unit_at[layer] : unit_at[layer] + n_in]
        above = deltas[unit_at[layer + 1] : unit_at[layer + 1] + n_out]
        at = weight_at[layer]
        weight = theta[at : at + n_in * n_out].reshape((n_in, n_out))
        below[:] = 0
        for k in range(counts[layer]):
            i = on[k]
            row = weight[i]
            inner = np.float32(0)
            for o in range(n_out):
                inner += row[o] * above[o]
            below[i] = inner


@njit(cache=True, fastmath=FLAGS)
def _squared_norm(widths, acts, deltas, active, counts, unit_at):
    """‖g‖² of one sample: a layer's weight gradient is the outer product of a and delta."""
    total = np.float32(0)
    for layer in range(len(widths) - 1):
        inputs = np.float32(1)  # the bias
        for k in range(counts[layer]):
            value = acts[unit_at[layer] + active[unit_at[layer] + k]]
            inputs += value * value
        outputs = np.float32(0)
        for o in range(unit_at[layer + 1], unit_at[layer + 1] + widths[layer + 1]):
            outputs += deltas[o] * deltas[o]
        total += inputs * outputs
    return total


@njit(cache=True, fastmath=FLAGS)
def _save_rows(before, weight, on, count, saved, stamp):
    """Copy the active rows of a weight matrix to ``before``, unless this batch did so already."""
    for k in range(count):
        i = on[k]
        if saved[i] != stamp:
            saved[i] = stamp
            _copy(before[i], weight[i])


@njit(cache=True, fastmath=FLAGS)
def _descend(weight, a, on, count, delta, lr):
    """weight ← weight - lr · a deltaᵀ, along the active rows."""
    for k in range(count):
        row, step = weight[on[k]], lr * a[on[k]]
        for o in range(len(delta)):
            row[o] -= step * delta[o]


@njit(cache=True, fastmath=FLAGS)
def _update(
    theta, start, stamps, stamp, widths, acts, deltas, active, counts, unit_at, weight_at, lr
):
    """θ ← θ - lr · g, each row saved to ``start`` before a batch touches it for the first time."""
    for layer in range(len(widths) - 1):
        n_in, n_out = widths[layer], widths[layer + 1]
        a = acts[unit_at[layer] : unit_at[layer] + n_in]
        on = active[unit_at[layer] : unit_at[layer] + n_in]
        saved = stamps[unit_at[layer] : unit_at[layer] + n_in]
        delta = deltas[unit_at[layer + 1] : unit_at[layer + 1] + n_out]
        at = weight_at[layer]
        weight = theta[at : at + n_in * n_out].reshape((n_in, n_out))
        before = start[at : at + n_in * n_out].reshape((n_in, n_out))
        _save_rows(before, weight, on, counts[layer], saved, stamp)
        _descend(weight, a, on, counts[layer], delta, lr)
        bias = theta[at + n_in * n_out : at + n_in * n_out + n_out]
        for o in range(n_out):
            bias[o] -= lr * delta[o]


@njit(cache=True, fastmath=FLAGS)
def _interpolate(theta, start, weight):
    """θ ← start + weight · (θ - start), exact at weights 0 and 1 like ``torch.lerp``."""
    if weight < 0.5:
        for i in range(len(theta)):
            theta[i] = start[i] + weight * (theta[i] - start[i])
    else:
        for i in range(len(theta)):
            theta[i] = theta[i] - (1 - weight) * (theta[i] - start[i])


@njit(cache=True, fastmath=FLAGS)
def _interpolate_touched(theta, start, stamps, stamp, widths, unit_at, weight_at, weight):
    for layer in range(len(widths) - 1):
        n_in, n_out = widths[layer], widths[layer + 1]
        at = weight_at[layer]
        for i in range(n_in):
            if stamps[unit_at[layer] + i] == stamp:
                _interpolate(
                    theta[at + i * n_out : at + (i + 1) * n_out],
                    start[at + i * n_out : at + (i + 1) * n_out],
                    weight,
                )
        at += n_in * n_out
        _interpolate(theta[at : at + n_out], start[at : at + n_out], weight)


_SIGNATURE = """void(
    float32[::1], float32[::1], float32[::1], int64[::1], int64[::1], int64[::1],
    float32[::1], float32[::1], int64[::1], int64[::1], int64[::1],
    float32[::1], int64, int64,
    float32[:, ::1], int64[::1], int64[:, ::1], int64[:, ::1], boolean[:, ::1],
    float32, float32, float32, float32, float32)""".replace("\n", "")


@njit(_SIGNATURE, cache=True, fastmath=FLAGS)
def run_inner_loop(
    theta, start, anchor, widths, unit_at, weight_at,
    acts, deltas, active, counts, stamps,
    x, y, task,
    memory_x, memory_y, rows, task_ids, visible,
    lr, scale, clip, within, across,
):  # fmt: skip
    """One stream sample's chain: ``rows`` (s, n+1) are s batches of memory rows, -1 is the sample.

    ``theta`` (P,) changes in place, its weight matrices (in, out). ``start`` and ``anchor`` (P,)
    are room for θ before a batch and before the chain. ``widths`` (L+1,); ``unit_at`` (L+1,) and
    ``weight_at`` (L,) say where a layer's units and weights begin. ``acts``, ``deltas``,
    ``active``, ``stamps`` (Σ widths,) and ``counts`` (L,) are room for one step. ``x`` (D,) of
    label ``y`` and task ``task`` is the sample, ``memory_x`` (M, D), ``memory_y`` (M,) the memory,
    ``task_ids`` (s, n+1) the tasks of ``rows``, ``visible`` (T, C) the outputs that count.
    The sample's loss is multiplied by ``scale``, gradients longer than ``clip`` > 0 are shortened,
    a batch ends with θ ← start + within·(θ - start), the chain with the same to ``across``.
    """
    batches, steps = rows.shape
    layers = len(widths) - 1
    classes = widths[layers]
    logits = acts[unit_at[layers] : unit_at[layers] + classes]
    output_delta = deltas[unit_at[layers] : unit_at[layers] + classes]
    stamps[:] = -1
    if across != 1:
        _copy(anchor, theta)
    for batch in range(batches):
        for layer in range(layers):
            at = weight_at[layer] + widths[layer] * widths[layer + 1]
            _copy(start[at : at + widths[layer + 1]], theta[at : at + widths[layer + 1]])
        for step in range(steps):
            row = rows[batch, step]
            if row < 0:
                _copy(acts[: widths[0]], x)
                label, task_id, weight = y, task, scale
            else:
                _copy(acts[: widths[0]], memory_x[row])
                label, task_id, weight = memory_y[row], task_ids[batch, step], np.float32(1)
            _forward(theta, widths, acts, active, counts, unit_at, weight_at)
            _output_delta(logits, output_delta, label, visible[task_id], weight)
            _backward(theta, widths, deltas, active, counts, unit_at, weight_at)
            rate = lr
            if clip > 0:
                norm = np.sqrt(_squared_norm(widths, acts, deltas, active, counts, unit_at))
                factor = clip / (norm + np.float32(1e-6))
                if not factor >= 1:  # a NaN goes on into θ, where the run looks for it
                    rate = lr * factor
            _update(
                theta, start, stamps, batch, widths, acts, deltas, active, counts, unit_at,
                weight_at, rate,
            )  # fmt: skip
        if within != 1:
            _interpolate_touched(
                theta, start, stamps, batch, widths, unit_at, weight_at, within
            )  # fmt: skip
    if across != 1:
        _interpolate(theta, anchor, across)
