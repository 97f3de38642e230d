#!/usr/bin/env python3
"""Fits the polynomials of VectorMath: weighted Lawson iteration towards minimax, in extended precision. Prints C++ arrays.

Needs numpy. Each fit minimizes the RELATIVE error of the function that is evaluated, so the weights below divide by it.
"""
import math
import numpy as np

L = np.longdouble


def chebyshev(a, b, n=3000):
    i = np.arange(n, dtype=L)
    return (L(a) + L(b)) / 2 + (L(b) - L(a)) / 2 * np.cos(np.pi * (i + L(0.5)) / n)


def solve(A, y):
    """Least squares by QR in long double (numpy's own lstsq is double)."""
    A, y = A.copy(), y.copy()
    n = A.shape[1]
    for k in range(n):
        v = A[k:, k].copy()
        v[0] += np.copysign(np.sqrt((v * v).sum()), v[0])
        v /= np.sqrt((v * v).sum())
        A[k:, k:] -= 2 * np.outer(v, v @ A[k:, k:])
        y[k:] -= 2 * v * (v @ y[k:])
    c = np.zeros(n, dtype=L)
    for k in reversed(range(n)):
        c[k] = (y[k] - A[k, k + 1:n] @ c[k + 1:n]) / A[k, k]
    return c


def polynomial(y, x, degree, weight, rounds=40):
    A = np.stack([x**k for k in range(degree + 1)], axis=1)
    lawson = np.ones(len(x), dtype=L)
    for _ in range(rounds):
        s = np.sqrt(lawson) * weight
        c = solve(A * s[:, None], y * s)
        error = np.abs((A @ c - y) * weight)
        lawson *= error / error.max() + L(1e-6)
        lawson /= lawson.sum()
    return c, float(error.max())


def rational(y, x, top, bottom, weight, rounds=60):
    """y ~ P(x) / Q(x), Q(0) = 1, linearized: P - y Q -> 0, reweighted by the last Q."""
    P = np.stack([x**k for k in range(top + 1)], axis=1)
    Q = np.stack([x**k for k in range(1, bottom + 1)], axis=1)
    lawson, q = np.ones(len(x), dtype=L), np.ones(len(x), dtype=L)
    best = None
    for _ in range(rounds):
        s = np.sqrt(lawson) * weight / q
        c = solve(np.concatenate([P, -y[:, None] * Q], axis=1) * s[:, None], y * s)
        p, q = P @ c[:top + 1], 1 + Q @ c[top + 1:]
        error = np.abs((p / q - y) * weight)
        if best is None or error.max() < best[2]:
            best = c[:top + 1], np.concatenate([[L(1)], c[top + 1:]]), float(error.max())
        lawson *= error / error.max() + L(1e-4)
        lawson /= lawson.sum()
    return best


def erf(x):
    """Long double: the Taylor series below 2.5, the continued fraction of erfc above."""
    out = np.zeros_like(x)
    for i, v in enumerate(x):
        if abs(v) < 2.5:
            term, total, k = v, v, 0
            while abs(term) > abs(total) * L(1e-21):
                k += 1
                term *= -v * v / k
                total += term / (2 * k + 1)
            out[i] = total * 2 / np.sqrt(L(np.pi) + L(1.2246467991473532e-16))
        else:
            out[i] = 1 - erfc(v)
    return out


def erfc(v):
    f = L(0)
    for k in range(120, 0, -1):
        f = (L(k) / 2) / (v + f)
    return np.exp(-v * v) / (v + f) / np.sqrt(L(np.pi) + L(1.2246467991473532e-16))


def show(name, c, error, single=False):
    digits = ", ".join(f"{np.float32(v):.9e}" if single else f"{float(v):.17e}" for v in c)
    print(f"// relative error {error:.1e}\nconstexpr double {name}[] = {{{digits}}};")


def over(f, x, limit):
    """f(x) with its limit at 0."""
    safe = np.where(x == 0, L(1), x)
    return np.where(x == 0, L(limit), f(safe))


ln2h = np.log(L(2)) / 2
x = chebyshev(-ln2h, ln2h)
for degree, name in ((5, "kExpQuick"), (6, "kExp"), (11, "kExpDouble")):
    # e^f = 1 + f * q(f)
    c, e = polynomial(over(lambda v: np.expm1(v) / v, x, 1), x, degree - 1, np.abs(x) / np.exp(x) + L(1e-9))
    show(name, c, e, degree < 10)
x = chebyshev(-0.5, 0.5)
c, e = polynomial(over(lambda v: np.expm1(v * np.log(L(2))) / v, x, np.log(L(2))), x, 5, np.abs(x) / np.exp2(x) + L(1e-9))
show("kExp2", c, e, True)

x = chebyshev(np.sqrt(L(0.5)) - 1, np.sqrt(L(2)) - 1)
# log(1+f) = f - f^2/2 + f^3 P(f)
series = lambda v: np.where(np.abs(v) < 1e-3, sum((-1)**k * v**k / (k + 3) for k in range(8)), (np.log1p(v) - v + v * v / 2) / v**3)
c, e = polynomial(over(series, x, L(1) / 3), x, 8, np.abs(x**3 / np.where(x == 0, L(1), np.log1p(x))) + L(1e-9))
show("kLog", c, e, True)
# log(1+f) = 2 s + s z R(z), s = f / (2+f), z = s^2
z = chebyshev(0, (np.sqrt(L(2)) - 1)**2 / (np.sqrt(L(2)) + 1)**2)
s = np.sqrt(z)
tail = lambda v: sum(2 * v**k / (2 * k + 3) for k in range(30))
c, e = polynomial(tail(z), z, 6, z / 2)
show("kLogDouble", c, e)

z = chebyshev(0, L(9.02)**2)
t = np.sqrt(z)
p, q, e = rational(over(lambda v: np.tanh(v) / v, t, 1), z, 6, 3, 1 / over(lambda v: np.tanh(v) / v, t, 1))
show("kTanhTop", p, e, True), show("kTanhBottom", q, e, True)
z = chebyshev(0, L(0.6)**2)
t = np.sqrt(z)
y = over(lambda v: np.tanh(v) / v, t, 1)
c, e = polynomial((y - 1) / z, z, 9, z)
show("kTanhDouble", c, e)

z = chebyshev(0, L(3.95)**2)
t = np.sqrt(z)
y = over(lambda v: erf(v) / v, t, 2 / np.sqrt(np.pi))
p, q, e = rational(y, z, 6, 5, 1 / y)
show("kErfTop", p, e, True), show("kErfBottom", q, e, True)
z = chebyshev(0, 1)
t = np.sqrt(z)
y = over(lambda v: erf(v) / v, t, L(2) / np.sqrt(L(np.pi) + L(1.2246467991473532e-16)))
c, e = polynomial(y, z, 12, 1 / y)
show("kErfDouble", c, e)
u = chebyshev((L(1) - 3) / (L(1) + 3), (L(6) - 3) / (L(6) + 3), 1500)
v = 3 * (1 + u) / (1 - u)
y = np.array([erfc(w) * np.exp(w * w) if w > 2.5 else (1 - erf(np.array([w]))[0]) * np.exp(w * w) for w in v])
c, e = polynomial(y, u, 16, 1 / y)
show("kErfcDouble", c, e)

z = chebyshev(0, (L(np.pi) / 4)**2 * L(1.001))
t = np.sqrt(z)
c, e = polynomial((over(lambda v: np.sin(v) / v, t, 1) - 1) / z, z, 5, z)
show("kSin", c, e)
c, e = polynomial((np.cos(t) - 1 + z / 2) / z**2, z, 5, z**2)
show("kCos", c, e)
z = chebyshev(0, (np.sqrt(L(2)) - 1)**2)
t = np.sqrt(z)
c, e = polynomial((over(lambda v: np.arctan(v) / v, t, 1) - 1) / z, z, 10, z)
show("kAtan", c, e)
