import re

import numpy as np
import pytest
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array, Map, Object, Property
from pyspark.sql import types as T

from penstock.udfs.scoring.outputs import (
    ModelColumn,
    SignatureError,
    input_columns,
    is_single,
    output_columns,
    prediction_type,
)

INPUTS = Schema([ColSpec("double", "a")])


def signature(*outputs, inputs=INPUTS):
    return ModelSignature(inputs=inputs, outputs=Schema(list(outputs)))


def tensor(kind, shape):
    return TensorSpec(np.dtype(kind), shape)


def test_inputs_are_in_signature_order_with_type_and_need():
    inputs = Schema([ColSpec("string", "b"), ColSpec("long", "a", required=False), ColSpec("datetime", "t")])
    assert input_columns(signature(ColSpec("double"), inputs=inputs)) == (
        ModelColumn(name="b", type=DataType.string),
        ModelColumn(name="a", type=DataType.long, required=False),
        ModelColumn(name="t", type=DataType.datetime),
    )


@pytest.mark.parametrize(
    "missing", [None, ModelSignature(inputs=INPUTS), ModelSignature(outputs=Schema([ColSpec("double")]))]
)
def test_a_model_without_a_whole_signature_is_refused(missing):
    with pytest.raises(SignatureError, match="no signature with inputs and outputs"):
        input_columns(missing)


@pytest.mark.parametrize(
    "inputs",
    [
        Schema([ColSpec("double")]),
        Schema([ColSpec("double"), ColSpec("double")]),
        Schema([tensor("float64", (-1, 3))]),
        Schema([TensorSpec(np.dtype("float64"), (-1,), "a")]),
    ],
    ids=["unnamed", "several unnamed", "tensor", "named tensor"],
)
def test_inputs_without_columns_are_refused(inputs):
    with pytest.raises(SignatureError, match="are a tensor or have no names"):
        input_columns(signature(ColSpec("double"), inputs=inputs))


UNSUPPORTED = [
    DataType.binary,
    Array(DataType.double),
    Object([Property("a", DataType.double)]),
    Map(DataType.double),
    AnyType(),
]


@pytest.mark.parametrize("kind", UNSUPPORTED, ids=str)
def test_an_input_of_another_type_is_refused_with_its_name(kind):
    with pytest.raises(SignatureError, match="input 'a' is of type"):
        input_columns(signature(ColSpec("double"), inputs=Schema([ColSpec(kind, "a")])))


@pytest.mark.parametrize("kind", [DataType.datetime, *UNSUPPORTED], ids=str)
def test_an_output_of_another_type_is_refused_with_its_name(kind):
    with pytest.raises(SignatureError, match="output 'a' is of type"):
        output_columns(signature(ColSpec(kind, "a")))


def test_a_single_unnamed_output_is_the_prediction():
    assert output_columns(signature(ColSpec("long"))) == (ModelColumn(name="prediction", type=DataType.long),)


def test_a_single_named_output_keeps_its_name():
    assert output_columns(signature(ColSpec("double", "quality"))) == (
        ModelColumn(name="quality", type=DataType.double),
    )


def test_several_named_outputs_keep_their_names_and_order():
    columns = output_columns(signature(ColSpec("double", "low"), ColSpec("string", "grade")))
    assert columns == (ModelColumn(name="low", type=DataType.double), ModelColumn(name="grade", type=DataType.string))


def test_several_unnamed_outputs_are_numbered():
    columns = output_columns(signature(ColSpec("double"), ColSpec("boolean")))
    assert columns == (
        ModelColumn(name="prediction_0", type=DataType.double),
        ModelColumn(name="prediction_1", type=DataType.boolean),
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("float64", DataType.double),
        ("float32", DataType.float),
        ("int64", DataType.long),
        ("int32", DataType.integer),
        ("bool", DataType.boolean),
        ("object", DataType.string),
        ("str", DataType.string),
    ],
)
@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_a_tensor_of_one_value_a_row_is_the_prediction(kind, expected, shape):
    assert output_columns(signature(tensor(kind, shape))) == (ModelColumn(name="prediction", type=expected),)


def test_a_tensor_of_several_values_a_row_is_numbered():
    columns = output_columns(signature(tensor("float64", (-1, 3))))
    assert [column.name for column in columns] == ["prediction_0", "prediction_1", "prediction_2"]
    assert {column.type for column in columns} == {DataType.double}


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("float64", (-1, -1)),
        ("float64", (-1, 2, 2)),
        ("float64", ()),
        ("complex128", (-1,)),
        ("float16", (-1,)),
        ("uint8", (-1,)),
        ("datetime64[ns]", (-1,)),
    ],
)
def test_other_tensors_are_refused(kind, shape):
    with pytest.raises(SignatureError, match="is a tensor of"):
        output_columns(signature(tensor(kind, shape)))


def test_a_single_output_is_a_plain_prediction():
    outputs = (ModelColumn(name="quality", type=DataType.double),)
    assert is_single(outputs)
    assert prediction_type(outputs) == T.DoubleType()


def test_several_outputs_are_a_struct():
    outputs = (ModelColumn(name="low", type=DataType.float), ModelColumn(name="grade", type=DataType.string))
    assert not is_single(outputs)
    assert prediction_type(outputs) == T.StructType(
        [T.StructField("low", T.FloatType()), T.StructField("grade", T.StringType())]
    )


REFUSED_NAMES = ["P(good)", "class label", "a,b", "a;b", "a=b", "a\nb", "a\tb", "{a}", "a`b", " ", "error", "ERROR"]


def named_outputs(*names):
    return signature(*[ColSpec(DataType.double, name) for name in names])


@pytest.mark.parametrize("name", REFUSED_NAMES)
def test_one_of_several_outputs_that_a_delta_table_can_not_have(name):
    with pytest.raises(SignatureError, match=rf"{re.escape(repr(name))} .*; rename it in the signature"):
        output_columns(named_outputs("good", name))


def test_outputs_that_differ_in_case_only():
    with pytest.raises(SignatureError, match="outputs 'Good', 'good' have one name"):
        output_columns(named_outputs("Good", "good", "bad"))


@pytest.mark.parametrize("name", ["P(good)", "class label", "a`b", "a.b", "\xe4\xf6"])
def test_the_name_of_a_single_output_is_in_no_table(name):
    assert [column.name for column in output_columns(named_outputs(name))] == [name]


def test_other_characters_are_taken():
    names = ["a.b", "1st", "\xe4\xf6", "a-b", "a/b", "scored_at", "prediction"]
    assert [column.name for column in output_columns(named_outputs(*names))] == names
