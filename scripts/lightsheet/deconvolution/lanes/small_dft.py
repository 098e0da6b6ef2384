"""The DFT of a few points, as a formula in sums and products of complex numbers.

    y[k] = sum over j of x[j] exp(sign 2 pi i j k / n), where the sign is -1 forward, and 1 back

Sizes that are products of coprime numbers are split by Good and Thomas (I. J. Good, J. R. Stat. Soc. B 20, 361, 1958),
which needs no twiddle factors; other products by Cooley and Tukey. An odd prime is summed over pairs of points that
mirror each other (R. C. Singleton, IEEE Trans. Audio Electroacoust. 17, 93, 1969). Points may be of any type that the
arithmetic knows.
"""

import math
from typing import Any, Protocol, TypeVar

Point = TypeVar("Point")


class Arithmetic(Protocol[Point]):
    """What a formula is written in."""

    def add(self, x: Point, y: Point) -> Point:
        """Return x + y."""

    def subtract(self, x: Point, y: Point) -> Point:
        """Return x - y."""

    def scale(self, x: Point, factor: float) -> Point:
        """Return x times a real number."""

    def add_scaled(self, x: Point, y: Point, factor: float) -> Point:
        """Return x plus y times a real number."""

    def quarter(self, x: Point) -> Point:
        """Return x i."""

    def rotate(self, x: Point, angle: float) -> Point:
        """Return x exp(i angle)."""


def transform(a: Arithmetic[Point], x: list[Point], sign: int) -> list[Point]:
    """Return the DFT of `x`: forward if `sign` is -1, back, without a factor, if it is 1."""
    n = len(x)
    if n == 1:
        return x
    if n == 2:
        return [a.add(*x), a.subtract(*x)]
    first = next((factor for factor in (4, 2, 3, 5) if n % factor == 0 and factor < n), n)
    if first == n:
        return _transform_prime(a, x, sign)
    if math.gcd(first, n // first) == 1:
        return _transform_coprime(a, x, sign, first, n // first)
    return _transform_product(a, x, sign, first, n // first)


def _transform_coprime(a: Arithmetic[Point], x: list[Point], sign: int, n1: int, n2: int) -> list[Point]:
    """Good and Thomas: by the Chinese remainder theorem a DFT in two dimensions."""
    n = n1 * n2
    columns = [transform(a, [x[(n2 * j1 + n1 * j2) % n] for j1 in range(n1)], sign) for j2 in range(n2)]
    rows = [transform(a, [column[k1] for column in columns], sign) for k1 in range(n1)]
    return [rows[k % n1][k % n2] for k in range(n)]


def _transform_product(a: Arithmetic[Point], x: list[Point], sign: int, n1: int, n2: int) -> list[Point]:
    """Cooley and Tukey: a DFT in two dimensions with twiddle factors between them."""
    n = n1 * n2
    columns = [transform(a, x[j2::n2], sign) for j2 in range(n2)]
    y = list(x)
    for k1 in range(n1):
        y[k1::n1] = transform(a, [_turn(a, column[k1], sign * j2 * k1, n) for j2, column in enumerate(columns)], sign)
    return y


def _turn(a: Arithmetic[Point], x: Point, steps: int, n: int) -> Point:
    """Return x exp(2 pi i steps / n)."""
    quarters, rest = divmod(4 * (steps % n), n)
    if rest:
        return a.rotate(x, 2 * math.pi * steps / n)
    for _ in range(quarters):
        x = a.quarter(x)
    return x


def _transform_prime(a: Arithmetic[Point], x: list[Point], sign: int) -> list[Point]:
    """Singleton: cosines multiply what is even in j, sines what is odd; both serve k and n - k."""
    n = len(x)
    half = range(1, n // 2 + 1)
    even = [a.add(x[j], x[n - j]) for j in half]
    odd = [a.subtract(x[j], x[n - j]) for j in half]
    y: list[Any] = [None] * n
    y[0] = x[0]
    for term in even:
        y[0] = a.add(y[0], term)
    for k in half:
        angles = [2 * math.pi * (j * k % n) / n for j in half]
        cosines, sines = x[0], a.scale(odd[0], math.sin(angles[0]))
        for term, angle in zip(even, angles, strict=True):
            cosines = a.add_scaled(cosines, term, math.cos(angle))
        for term, angle in zip(odd[1:], angles[1:], strict=True):
            sines = a.add_scaled(sines, term, math.sin(angle))
        pair = [a.add(cosines, a.quarter(sines)), a.subtract(cosines, a.quarter(sines))]
        y[k], y[n - k] = pair[::sign]
    return y
