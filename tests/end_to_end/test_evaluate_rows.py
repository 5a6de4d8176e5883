"""A label is evaluated once, by the first evaluation that sees it and a prediction that is old enough."""

import random
import re
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest
from evaluations import SUMS, arrow_table, evaluate, evaluator_of
from labelled_tables import Label, LabelledTables, Prediction
from power_cuts import PowerCutError, cut_after, cut_off
from pyspark.sql.types import (
    BooleanType,
    DataType,
    DoubleType,
    IntegerType,
    LongType,
    StringType,
    StructField,
    StructType,
)
from sample_contracts import TEXT_ORDER_LABELS
from sandbox import Sandbox

from penstock.errors import ConfigError, LedgerError
from penstock.operations.run_evaluation import run_evaluation
from penstock.pipeline.evaluation.evaluator import Evaluator
from penstock.pipeline.evaluation.in_stream import StreamEvaluations
from penstock.pipeline.evaluation.labels_source import check_types
from penstock.pipeline.evaluation.record import EvaluationLook
from penstock.pipeline.evaluation.records import read_record
from penstock.storage.routing import storage_of

EVALUATOR = "penstock.pipeline.evaluation.evaluator"
HOUR_SECONDS = 3600
CHECKED = ("pairs", "champion_loss", "champion_abs", "champion_failed", "delay_seconds", "scored_pairs")


@dataclass
class Oracle:
    """What evaluations should find, label by label, with a memory of those that it has taken. Hours as in the tables:
    before the start."""

    predictions: list[Prediction] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)
    #: By unit and version.
    sums: dict[tuple[float, str], dict[str, float]] = field(
        default_factory=lambda: defaultdict(lambda: dict.fromkeys(SUMS, 0.0))
    )

    def evaluate(self, *, matures_after: float, unit_of: Any) -> None:
        for label in self.labels:
            if label.error is not None or label.order_id in self.taken:
                continue
            fitting = [
                one for one in self.predictions if one.order_id == label.order_id and one.placed >= matures_after
            ]
            before = [one for one in fitting if one.scored >= label.came]
            if not fitting:
                continue
            self.taken.add(label.order_id)
            chosen = min(before, key=lambda one: one.scored) if before else max(fitting, key=lambda one: one.scored)
            if label.value is not None:
                self.add(self.sums[unit_of(label), chosen.version], label, chosen)

    def add(self, sums: dict[str, float], label: Label, chosen: Prediction) -> None:
        sums["pairs"] += 1
        sums["delay_seconds"] += (chosen.scored - label.came) * HOUR_SECONDS
        if chosen.answer is None or chosen.answer != chosen.answer:
            sums["champion_failed"] += 1
            return
        sums["scored_pairs"] += 1
        sums["champion_loss"] += (label.value - chosen.answer) ** 2
        sums["champion_abs"] += abs(label.value - chosen.answer)


def random_orders(
    chance: random.Random, count: int
) -> list[tuple[list[tuple[int, Prediction]], tuple[int, Label] | None]]:
    """Of each order its predictions, and its label if it has one, each with the round in which it comes."""
    orders = []
    for number in range(count):
        placed = chance.uniform(5, 60)
        rounds = sorted(chance.choices(range(3), k=chance.choice([1, 1, 1, 2])))
        made = [
            Prediction(
                order_id=number,
                placed=placed,
                scored=placed - chance.uniform(0, 4),
                answer=chance.choice([chance.uniform(3, 8), chance.uniform(3, 8), None, float("nan")]),
                version=chance.choice("78"),
            )
            for _ in rounds
        ]
        label = Label(order_id=number, came=chance.uniform(0, placed), value=chance.choice([3.0, 5.0, 8.0, None]))
        came = (chance.randrange(3), label) if chance.random() < 0.8 else None
        orders.append((list(zip(rounds, made, strict=True)), came))
    return orders


@pytest.fixture(scope="module")
def scenario(shared_sandbox: Sandbox) -> tuple[LabelledTables, Oracle]:
    """Three rounds: predictions and labels come, of one key in any order; each is evaluated, once with a power cut.
    Rows younger than 30 hours wait in the first round, those younger than 10 hours in the second, none in the last."""
    tables, oracle = LabelledTables(shared_sandbox), Oracle()
    shared_sandbox.changes["evaluate"] = {"loss": "squared", "every": "6 hours"}
    orders = random_orders(random.Random(24), 40)
    for number, matures_after in enumerate((30.0, 10.0, 0.0)):
        made = [one for some, _ in orders for when, one in some if when == number]
        came = [label for _, came in orders if came is not None for when, label in [came] if when == number]
        tables.predict("checkpoint-one" if number < 2 else "checkpoint-two", number % 2, *made)
        revised = [Label(order_id=label.order_id, came=0.0, value=1.0, error="revision") for label in came[:2]]
        tables.label("labels", number, *came, *revised)
        tables.label("cut-off", number, Label(order_id=10_000, came=0.0, value=1.0), is_finished=False)
        oracle.predictions += made
        oracle.labels += came
        oracle.evaluate(matures_after=matures_after, unit_of=lambda label: unit_of(tables, label))
        shared_sandbox.changes["labels"] |= {"matures_after": f"{matures_after} hours"}
        if number == 1:
            evaluate_cut_off(shared_sandbox, after_its_write=True)
        evaluate(shared_sandbox)
    return tables, oracle


def evaluate_cut_off(sandbox: Sandbox, *, after_its_write: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if after_its_write:
            cut_after(patch, f"{EVALUATOR}.append_once")
        else:
            patch.setattr(f"{EVALUATOR}.append_once", cut_off)
        with pytest.raises(PowerCutError):
            evaluate(sandbox)


def unit_of(tables: LabelledTables, label: Label) -> float:
    moment = tables.at(label.came).timestamp()
    return moment - moment % (6 * HOUR_SECONDS)


def test_each_label_is_evaluated_once(scenario: tuple[LabelledTables, Oracle]) -> None:
    tables, oracle = scenario
    rows = arrow_table(f"{tables.sandbox.location}/tables/evaluations").to_pandas()
    found = {}
    for (unit, champion), of_group in rows.groupby(["unit", "champion"]):
        found[unit.timestamp(), champion] = {name: of_group[name].sum() for name in CHECKED}
    expected = {group: {name: values[name] for name in CHECKED} for group, values in oracle.sums.items()}
    assert len(expected) > 10
    assert found.keys() == expected.keys()
    for group, values in expected.items():
        assert found[group] == pytest.approx(values), group


def test_the_last_record_says_what_is_left(scenario: tuple[LabelledTables, Oracle]) -> None:
    """Labels without a prediction, and predictions without a label, each by their keys."""
    tables, oracle = scenario
    config = tables.sandbox.config()
    record = read_record(storage_of(config), config.tables.root, 2)
    labelled = {label.order_id for label in oracle.labels}
    predicted = {one.order_id for one in oracle.predictions}
    assert record is not None
    assert record.unmatched == len(labelled - predicted)
    assert record.waiting == 0
    assert record.unlabelled == sum(one.order_id not in labelled for one in oracle.predictions)
    # Now as well, where there is nothing to evaluate.
    assert evaluator_of(tables.sandbox).look().unlabelled == record.unlabelled


def test_a_row_of_evaluations_is_of_the_label(scenario: tuple[LabelledTables, Oracle]) -> None:
    tables, _ = scenario
    rows = arrow_table(f"{tables.sandbox.location}/tables/evaluations").to_pandas()
    assert set(rows["variable"]) == {"quality"}
    assert set(rows["loss"]) == {"squared"}
    for name in ("candidate", "step", "naive_abs", "champion_within"):
        assert rows[name].isna().all(), name


def test_late_predictions_rescored_ones_and_two_evaluators(sandbox: Sandbox) -> None:
    """The label of order 1 comes before its prediction; the prediction of order 2 was replaced by a rescore after its
    label came, and the one that arrives later is not its answer; order 3 has only such a one, which is its answer in a
    final evaluation. Two evaluators run at once, and a plan names a version that is gone."""
    tables = LabelledTables(sandbox)
    rescored = [Prediction(order_id=n, placed=9, scored=1, answer=5.0, rescore_id=0) for n in (2, 3)]
    tables.predict("q", 0, *rescored)
    tables.label("l", 0, *[Label(order_id=number, came=5, value=4.0) for number in (1, 2, 3)])
    [first] = evaluate(sandbox)
    assert (first.actuals, first.pairs, first.unmatched) == (3, 0, 3)
    tables.predict(
        "q",
        1,
        Prediction(order_id=1, placed=9, scored=2, answer=5.0),
        Prediction(order_id=1, placed=9, scored=1, answer=9.0),
        Prediction(order_id=2, placed=9, scored=4, answer=6.0),
        # More than look_back before its label.
        Prediction(order_id=1, placed=24 * 31 + 6, scored=6, answer=9.0),
    )
    evaluate_cut_off(sandbox, after_its_write=False)
    plan = sandbox.root / "tables" / "_evaluations" / "1.json"
    plan.write_text(re.sub(r'"answers_version": \d+', '"answers_version": 999', plan.read_text()))
    evaluators = [evaluator_of(sandbox) for _ in range(2)]
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(Evaluator.evaluate, evaluators))
    assert {record.pairs for records in found for record in records} == {1}
    rows = arrow_table(f"{sandbox.location}/tables/evaluations").to_pylist()
    assert [(row["pairs"], row["champion_abs"]) for row in rows] == [(1, 1.0)]  # |4 - 5|, the first that came
    assert evaluate(sandbox) == []
    [final] = evaluate(sandbox, is_final=True)
    assert (final.actuals, final.pairs) == (3, 3)

    # The label of order 1 is revised, twice in one batch, and is of another unit then.
    tables.label("l", 1, *[Label(order_id=1, came=0, value=value, error="revision") for value in (7.0, 6.0)])
    [row] = run_evaluation(sandbox.config(), is_final=True).summary
    # |7 - 9|, the newest before the revision; |4 - 6| and |4 - 5|.
    assert (row.pairs, row.mae) == (3, pytest.approx((2 + 2 + 1) / 3))

    labels_conf = sandbox.root / "labels.yaml"
    written = labels_conf.read_text()
    labels_conf.write_text(written.replace("label-tables", "other-tables"))
    with pytest.raises(LedgerError, match=r"so far are of the labels in .*label-tables, .* are in .*other-tables: set"):
        evaluate(sandbox)
    labels_conf.write_text(written)

    (sandbox.root / "tables" / "_evaluations").rename(sandbox.root / "away")
    with pytest.raises(LedgerError, match=r"has evaluation 3, and .* no plan of it: restore that folder"):
        evaluate(sandbox)
    (sandbox.root / "away").rename(sandbox.root / "tables" / "_evaluations")
    (sandbox.root / "tables" / "evaluations").rename(sandbox.root / "away")
    with pytest.raises(LedgerError, match=r"evaluation 3 is done by .*, and the table .* does not have it"):
        evaluate(sandbox)


def look_of_stream(sandbox: Sandbox) -> EvaluationLook:
    """Of one that finds nothing to evaluate."""
    sandbox.changes["evaluate"] = {}
    looks: list[EvaluationLook] = []
    config = sandbox.config()
    pipeline = SimpleNamespace(spark=sandbox.spark, config=config, storage=storage_of(config))
    stream = StreamEvaluations(
        pipeline=cast(Any, pipeline), on_evaluation=lambda record: pytest.fail(record.summary), on_look=looks.append
    )
    stream.evaluate()
    [look] = looks
    assert abs(look.looked_at.timestamp() - time.time()) < 60
    return look


def test_what_can_not_be_compared_is_refused_before_anything_is_written(sandbox: Sandbox) -> None:
    tables = LabelledTables(sandbox)
    assert evaluate(sandbox) == []  # no tables yet
    assert look_of_stream(sandbox).unlabelled == 0
    tables.predict("q", 0, Prediction(order_id=1, placed=9, scored=8, answer=5.0))
    assert look_of_stream(sandbox).unlabelled == 1  # and no label ever came
    tables.label("l", 0, Label(order_id=1, came=5, value=4.0))
    sandbox.changes["evaluate"] = {"prediction": "mean"}
    with pytest.raises(ConfigError, match=r"the model has one output, a double, and none that is called mean"):
        evaluate(sandbox)
    sandbox.changes["evaluate"] = {}
    sandbox.changes["labels"] |= {"value": "taste"}
    with pytest.raises(ConfigError, match=r"labels\.value of orders is taste, label\.value of order-labels is quality"):
        evaluate(sandbox)
    sandbox.changes["labels"] |= {"value": "quality", "conf": "nowhere.yaml"}
    with pytest.raises(ConfigError, match=r"labels\.conf: nowhere\.yaml: there is no such file"):
        evaluate(sandbox)
    del sandbox.changes["labels"]
    with pytest.raises(ConfigError, match="orders has no section `labels`; name the config"):
        evaluate(sandbox)
    assert not (sandbox.root / "tables" / "evaluations").exists()
    assert not (sandbox.root / "tables" / "_evaluations").exists()


def test_texts_are_right_or_wrong(sandbox: Sandbox) -> None:
    """Of a model with several outputs the one that is named."""
    outputs = StructType([StructField("kind", StringType()), StructField("reason", StringType())])
    tables = LabelledTables(
        sandbox, label_contract=TEXT_ORDER_LABELS, label_contract_name="TEXT_ORDER_LABELS", prediction=outputs
    )
    answers = (("good", "x"), ("bad", "y"), (None, None))
    tables.predict("q", 0, *[Prediction(order_id=n, placed=9, scored=8, answer=each) for n, each in enumerate(answers)])
    tables.label("l", 0, *[Label(order_id=number, came=5, value="good") for number in range(3)])
    for settings, message in (
        ({"loss": "zero_one"}, r"the model has several outputs; name one of kind, reason"),
        ({"loss": "squared", "prediction": "kind"}, r"between texts there is only the loss zero_one"),
    ):
        sandbox.changes["evaluate"] = settings
        with pytest.raises(ConfigError, match=message):
            evaluate(sandbox)
    sandbox.changes["evaluate"] = {"loss": "zero_one", "prediction": "kind"}
    [record] = evaluate(sandbox)
    [row] = arrow_table(f"{sandbox.location}/tables/evaluations").to_pylist()
    assert (record.pairs, record.failed) == (3, 1)
    assert (row["champion_loss"], row["scored_pairs"], row["champion_abs"]) == (1.0, 2, None)


@pytest.mark.parametrize(
    ("loss", "label", "prediction", "expected"),
    [
        ("absolute", IntegerType(), DoubleType(), True),
        ("log", BooleanType(), DoubleType(), True),
        ("zero_one", LongType(), LongType(), True),
        ("zero_one", StringType(), StringType(), False),
        ("zero_one", StringType(), DoubleType(), r"the label is a string and the prediction a double"),
        ("squared", StringType(), DoubleType(), r"or name another output in evaluate\.prediction"),
        ("log", StringType(), StringType(), r"between texts there is only the loss zero_one"),
    ],
)
def test_types_that_are_compared(loss: Any, label: DataType, prediction: DataType, expected: bool | str) -> None:
    if isinstance(expected, bool):
        assert check_types(loss, label, prediction) is expected
        return
    with pytest.raises(ConfigError, match=expected):
        check_types(loss, label, prediction)
