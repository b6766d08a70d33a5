"""Vectors of float32 as values of Numba's compiled functions: what a vector unit takes at a time, said explicitly.

Loops over numbers that a compiler has to vectorise itself cost checks whenever they are entered, which is more than a
short loop's own work. Here one instruction on all lanes is one operation of Python on a value of the type `lanes`.

What Numba keeps of compiled functions does not notice a change of this file: delete the `.nbi` files after one.
"""

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

WIDTH = 16 if binding.get_host_cpu_features().get("avx512f") else 8
"""Numbers in a vector: those of the processor's widest registers (narrower ones work in pairs)."""
_FLOATS, _INTS = ir.VectorType(ir.FloatType(), WIDTH), ir.VectorType(ir.IntType(32), WIDTH)
# A product and a sum may be one rounded once, where the processor has such an instruction.
_FLAGS = ("contract", "nsz")


class _Lanes(types.Type):
    def __init__(self) -> None:
        super().__init__("lanes")


lanes = _Lanes()
"""`WIDTH` numbers of float32."""


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: _Lanes) -> None:
        super().__init__(manager, kind, _FLOATS)


def _constant(kind: ir.VectorType, value: float) -> ir.Constant:
    return ir.Constant(kind, [value] * WIDTH)


def _pointer(context: Any, builder: Any, kinds: Any, args: Any) -> Any:
    """Where WIDTH neighbouring numbers of a matrix begin: args are the matrix, a row and a column."""
    matrix = context.make_array(kinds[0])(context, builder, args[0])
    place = cgutils.get_item_pointer(context, builder, kinds[0], matrix, list(args[1:3]), wraparound=False)
    return builder.bitcast(place, _FLOATS.as_pointer())


@intrinsic
def load(_: Any, matrix: Any, row: Any, column: Any) -> Any:
    """`WIDTH` numbers of a matrix's row from a column on; nobody checks that there are so many."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load(_pointer(context, builder, signature.args, args), align=4)

    return lanes(matrix, types.intp, types.intp), emit


@intrinsic
def store(_: Any, matrix: Any, row: Any, column: Any, value: Any) -> Any:
    """Write lanes where `load` reads."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store(args[3], _pointer(context, builder, signature.args, args), align=4)
        return context.get_dummy_value()

    return types.void(matrix, types.intp, types.intp, lanes), emit


@intrinsic
def spread(_: Any, number: Any) -> Any:
    """The same number in all lanes."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        one = builder.insert_element(ir.Constant(_FLOATS, ir.Undefined), args[0], ir.IntType(32)(0))
        return builder.shuffle_vector(one, one, ir.Constant(_INTS, [0] * WIDTH))

    return lanes(types.float32), emit


@intrinsic
def round_half_up(_: Any, value: Any) -> Any:
    """The whole numbers nearest to the lanes."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(_FLOATS, [_FLOATS])
        floor = cgutils.get_or_insert_function(builder.module, kind, f"llvm.floor.v{WIDTH}f32")
        return builder.call(floor, [builder.fadd(args[0], _constant(_FLOATS, 0.5))])

    return lanes(lanes), emit


@intrinsic
def two_to_whole(_: Any, value: Any) -> Any:
    """2 to the power of lanes that are whole numbers in -126..127: numbers whose exponent bits they are."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        exponent = builder.add(builder.fptosi(args[0], _INTS), _constant(_INTS, 127))
        return builder.bitcast(builder.shl(exponent, _constant(_INTS, 23)), _FLOATS)

    return lanes(lanes), emit


@intrinsic
def larger(_: Any, one: Any, other: Any) -> Any:
    """The larger of either lane."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return lanes(lanes, lanes), emit


@intrinsic
def where_above(_: Any, one: Any, other: Any, value: Any, otherwise: Any) -> Any:
    """The lanes of `value` where one is above the other, those of `otherwise` elsewhere."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_ordered(">", args[0], args[1]), args[2], args[3])

    return lanes(lanes, lanes, lanes, lanes), emit


def _overload(operation: Callable[..., Any], name: str) -> None:
    """Let an operation of Python do the same to each lane."""

    @intrinsic
    def compute(_: Any, one: Any, other: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, name)(*args, flags=_FLAGS)

        return lanes(lanes, lanes), emit

    @overload(operation)
    def choose(one, other):  # type: ignore[no-untyped-def]  # Numba compares the annotations of both
        if one is not lanes or other is not lanes:
            return None
        return lambda one, other: compute(one, other)


for _operation, _name in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _overload(_operation, _name)
