"""Two inner loops in vectors of eight doubles: what Numba's compiler does not vectorise by itself.

Written in LLVM's own instructions, so that the running sums of a loop stay in registers: the lunar
harmonics cost a third of what plain loops do. LLVM splits the vectors on processors with
shorter registers. Callers pass contiguous float64 arrays of the shapes told; nothing checks them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

LANES = 8
_VECTOR: Any = ir.VectorType(ir.DoubleType(), LANES)
_INDEX: Any = ir.IntType(64)
_FREE = ("contract", "nsz")  # products and sums may fuse


def _array(context, builder, kind, value):
    return context.make_array(kind)(context, builder, value)


def _row_length(builder, array):
    return builder.extract_value(array.shape, 1)


def _place(builder, pointer, index):
    return builder.bitcast(builder.gep(pointer, [index]), _VECTOR.as_pointer())


def _load(builder, pointer, index):
    return builder.load(_place(builder, pointer, index), align=8)


def _store(builder, vector, pointer, index):
    builder.store(vector, _place(builder, pointer, index), align=8)


def _spread(builder, x):
    """The scalar ``x`` in every lane."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, x, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, nothing, lanes)


def _index(k: int):
    return ir.Constant(_INDEX, k)


def _orders(sums: int):
    """The intrinsic that runs the harmonics' recursion for eight orders, with so many sums."""

    def code(context, builder, signature, args):
        rows, first, count, w, q, seeds, order, out = args
        kinds = signature.args
        rows = _array(context, builder, kinds[0], rows)
        seeds = _array(context, builder, kinds[5], seeds)
        total = _array(context, builder, kinds[7], out).data
        w, q = _spread(builder, w), _spread(builder, q)
        seed_v = _load(builder, seeds.data, order)
        seed_w = _load(builder, seeds.data, builder.add(order, _row_length(builder, seeds)))

        def times(a, b):
            return builder.fmul(a, b, flags=_FREE)

        def plus(a, b):
            return builder.fadd(a, b, flags=_FREE)

        zero = ir.Constant(_VECTOR, [0.0] * LANES)
        start = [zero] * 4 + [_load(builder, total, _index(LANES * k)) for k in range(sums)]
        stride = builder.mul(_row_length(builder, rows), _index(LANES))
        begin, before = builder.mul(first, stride), builder.block
        loop, done = builder.append_basic_block("degree"), builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        n, place = builder.phi(_INDEX), builder.phi(_INDEX)
        n.add_incoming(_index(0), before)
        place.add_incoming(begin, before)
        state = [builder.phi(_VECTOR) for _ in start]
        for phi, value in zip(state, start, strict=True):
            phi.add_incoming(value, before)
        row = [
            _load(builder, rows.data, builder.add(place, _index(LANES * k)))
            for k in range(3 + 2 * sums)
        ]
        v1, w1, v2, w2 = state[:4]
        a, b = times(row[0], w), times(row[1], q)
        vn = plus(builder.fsub(times(row[2], seed_v), times(b, v2), flags=_FREE), times(a, v1))
        wn = plus(builder.fsub(times(row[2], seed_w), times(b, w2), flags=_FREE), times(a, w1))
        new = [
            plus(plus(old, times(row[3 + 2 * k], vn)), times(row[4 + 2 * k], wn))
            for k, old in enumerate(state[4:])
        ]
        n_next = builder.add(n, _index(1))
        n.add_incoming(n_next, loop)
        place.add_incoming(builder.add(place, stride), loop)
        for phi, value in zip(state, [vn, wn, v1, w1, *new], strict=True):
            phi.add_incoming(value, loop)
        builder.cbranch(builder.icmp_signed("<", n_next, count), loop, done)
        builder.position_at_end(done)
        for k, value in enumerate(new):
            _store(builder, value, total, _index(LANES * k))
        return context.get_dummy_value()

    @intrinsic
    def orders(typingctx, rows, first, count, w, q, seeds, order, out):
        arguments = (rows, types.int64, types.int64, types.float64, types.float64, seeds)
        return types.void(*arguments, types.int64, out), code

    return orders


# (rows, first, count, w, q, seeds, order, out): walks ``count`` (1 or more) rows of ``rows``
# (N, R, 8) from ``first``: recursion factors a and b, the mask of the seeds, and two coefficients
# a sum. ``seeds`` (2, M) holds the first V and W of each order, read from ``order`` on. Adds to the
# 3 or 8 sums in ``out`` (8 lanes each).
acceleration_orders: Any = _orders(3)
gradient_orders: Any = _orders(8)


def chebyshev(terms: int) -> Any:
    """The intrinsic that sums Chebyshev series of ``terms`` (3 or more) for 16 columns at once.

    It takes (table, granule, x, out): ``table`` (granules, terms, 16), ``out`` (16).
    """

    def code(context, builder, signature, args):
        table, granule, x, out = args
        table = _array(context, builder, signature.args[0], table).data
        out = _array(context, builder, signature.args[3], out).data
        begin = builder.mul(granule, _index(terms * 2 * LANES))
        basis, twice = [None, x], builder.fadd(x, x)
        before = ir.Constant(ir.DoubleType(), 1.0)
        for _ in range(terms - 2):
            now = builder.fmul(twice, basis[-1], flags=_FREE)
            basis.append(builder.fsub(now, before, flags=_FREE))
            before = basis[-2]
        basis = [None if t is None else _spread(builder, t) for t in basis]
        for half in range(2):
            total = None
            for k, t in enumerate(basis):
                place = builder.add(begin, _index((2 * k + half) * LANES))
                row = _load(builder, table, place)
                if t is not None:
                    row = builder.fmul(row, t, flags=_FREE)
                total = row if total is None else builder.fadd(total, row, flags=_FREE)
            _store(builder, total, out, _index(half * LANES))
        return context.get_dummy_value()

    @intrinsic
    def series(typingctx, table, granule, x, out):
        return types.void(table, types.int64, types.float64, out), code

    return series
