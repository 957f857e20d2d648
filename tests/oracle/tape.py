"""Reverse-mode differentiation over NumPy arrays, in float64.

A `Node` holds a value and, for each parent, the closure that turns the gradient of this value into
the gradient of the parent. `gradient` walks the nodes backwards, newest first.
"""

import itertools

import numpy as np

_clock = itertools.count()


class Node:
    """One value of the computation: `parents` is a list of (node, vjp) pairs."""

    __array_ufunc__ = None  # lets `ndarray * Node` reach Node.__rmul__

    def __init__(self, value, parents=()):
        self.value = np.array(value, dtype="float64")
        self.parents = list(parents)
        self.time = next(_clock)  # a parent is always older than its children

    shape = property(lambda self: self.value.shape)

    def __neg__(self):
        return Node(-self.value, [(self, lambda g: -g)])

    def __add__(self, other):
        a, b = self, as_node(other)
        return Node(a.value + b.value, [(a, lambda g: g), (b, lambda g: g)])

    def __mul__(self, other):
        a, b = self, as_node(other)
        return Node(a.value * b.value, [(a, lambda g: g * b.value), (b, lambda g: g * a.value)])

    def __truediv__(self, other):
        a, b = self, as_node(other)
        value = a.value / b.value
        return Node(value, [(a, lambda g: g / b.value), (b, lambda g: -g * value / b.value)])

    def __matmul__(self, other):
        a, b = self.value, as_node(other).value  # two matrices
        return Node(a @ b, [(self, lambda g: g @ b.T), (as_node(other), lambda g: a.T @ g)])

    def __getitem__(self, index):
        def vjp(g):
            whole = np.zeros(self.shape)
            np.add.at(whole, index, g)
            return whole

        return Node(self.value[index], [(self, vjp)])

    def __sub__(self, other):
        return self + -as_node(other)

    def __rsub__(self, other):
        return as_node(other) - self

    def __rtruediv__(self, other):
        return as_node(other) / self

    def __rmatmul__(self, other):
        return as_node(other) @ self

    __radd__ = __add__
    __rmul__ = __mul__


def as_node(value):
    return value if isinstance(value, Node) else Node(value)


def concatenate(nodes, axis=-1):
    nodes = [as_node(node) for node in nodes]
    value = np.concatenate([node.value for node in nodes], axis)
    cuts = np.cumsum([node.shape[axis] for node in nodes])[:-1]
    vjps = [lambda g, i=i: np.split(g, cuts, axis)[i] for i in range(len(nodes))]
    return Node(value, zip(nodes, vjps, strict=True))


def sigmoid(x):
    small = np.exp(-np.abs(x.value))
    s = np.where(x.value >= 0, 1.0, small) / (1.0 + small)
    slope = small / (1.0 + small) ** 2
    return Node(s, [(x, lambda g: g * slope)])


def tanh(x):
    t = np.tanh(x.value)
    return Node(t, [(x, lambda g: g * (1.0 - t * t))])


def relu(x):
    """max(x, 0); the gradient at 0 is 0."""
    return Node(np.maximum(x.value, 0.0), [(x, lambda g: g * (x.value > 0.0))])


def clip(x, low, high):
    """x held in [low, high]; the gradient at the bounds is 1, as in tf.clip_by_value."""
    inside = (x.value >= low) & (x.value <= high)
    return Node(np.clip(x.value, low, high), [(x, lambda g: g * inside)])


def sqrt(x):
    root = np.sqrt(x.value)
    return Node(root, [(x, lambda g: g / (2.0 * root))])


def where(mask, a, b):
    """a where the boolean array `mask` holds, else b: elsewhere no gradient at all."""
    a, b, mask = as_node(a), as_node(b), np.asarray(mask, dtype=bool)
    value = np.where(mask, a.value, b.value)
    return Node(value, [(a, lambda g: np.where(mask, g, 0)), (b, lambda g: np.where(mask, 0, g))])


def sum(x):  # read as tape.sum
    return Node(np.sum(x.value), [(x, lambda g: np.broadcast_to(g, x.shape))])


def mean(x):
    """Mean over the last axis, which stays with length 1."""
    value = np.mean(x.value, axis=-1, keepdims=True)
    return Node(value, [(x, lambda g: np.broadcast_to(g / x.shape[-1], x.shape))])


def unbroadcast(g, shape):
    """Sum g over the axes along which a value of this shape was repeated."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1 and g.shape[i] != 1)
    return g.sum(axis=stretched, keepdims=True)


def gradient(loss, nodes):
    """The gradients of the scalar `loss`, one array for each node (zeros where unconnected)."""
    reached, stack = {loss}, [loss]
    while stack:
        for parent, _ in stack.pop().parents:
            if parent not in reached:
                reached.add(parent)
                stack.append(parent)
    grads = {loss: np.ones(loss.shape)}
    for node in sorted(reached, key=lambda node: -node.time):
        for parent, vjp in node.parents:
            g = unbroadcast(vjp(grads[node]), parent.shape)
            grads[parent] = grads.get(parent, 0.0) + g
    return [np.array(grads.get(node, np.zeros(node.shape))) for node in nodes]
