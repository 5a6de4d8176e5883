"""Where the labels of a pipeline of rows come from: the tables of another pipeline, and whether they fit."""

from dataclasses import dataclass
from typing import Self

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import BooleanType, DataType, NumericType, StringType, StructType

from penstock.config.evaluation import LabelsConfig, Loss
from penstock.config.label_contract import check_labelled_contract, labels_config
from penstock.config.pipeline import PipelineConfig
from penstock.errors import ConfigError
from penstock.schemas.contract import Contract
from penstock.spark.tables import table_at

#: Label and prediction both are numbers for these; zero_one takes texts as well.
LOSSES_OF_NUMBERS = ("absolute", "squared", "log")


@dataclass(frozen=True, kw_only=True)
class LabelsSource:
    """The pipeline of the labels beside the one whose answers they are for."""

    labels: LabelsConfig
    labels_config: PipelineConfig

    @classmethod
    def of(cls, config: PipelineConfig, contract: Contract) -> Self:
        """Raises ConfigError."""
        brings = labels_config(config)
        assert config.labels is not None
        check_labelled_contract(contract, config)
        return cls(labels=config.labels, labels_config=brings)

    @property
    def labels_path(self) -> str:
        return self.labels_config.table_path("labels")

    def read_labels(self, spark: SparkSession, version: int | None) -> DataFrame:
        """Raises ConfigError where the table has no column of the key, or of the label."""
        rows = table_at(spark, self.labels_path, version)
        missing = [name for name in (*self.labels.key, self.labels.value) if name not in rows.columns]
        if missing:
            raise ConfigError(
                f"labels: the table {self.labels_path} has no column {', '.join(missing)}; was it made under another "
                "contract?"
            )
        return rows


def answer_column(prediction: DataType, *, wanted: str | None) -> tuple[str, DataType]:
    """The column of the answer that is judged, and its type. wanted: evaluate.prediction. Raises ConfigError."""
    if not isinstance(prediction, StructType):
        if wanted not in (None, "prediction"):
            raise ConfigError(
                f"evaluate.prediction: the model has one output, a {prediction.simpleString()}, and none that is "
                f"called {wanted}; leave it out"
            )
        return "prediction", prediction
    outputs = {field.name: field.dataType for field in prediction.fields}
    if wanted is None and len(outputs) == 1:
        wanted = next(iter(outputs))
    if wanted not in outputs:
        found = f"has no output {wanted}" if wanted else "has several outputs"
        raise ConfigError(f"evaluate.prediction: the model {found}; name one of {', '.join(outputs)}")
    return f"prediction.`{wanted}`", outputs[wanted]


def check_types(loss: Loss, label: DataType, prediction: DataType) -> bool:
    """Whether label and prediction are compared as numbers (else as texts). Raises ConfigError."""
    of_numbers = all(isinstance(kind, NumericType | BooleanType) for kind in (label, prediction))
    of_texts = all(isinstance(kind, StringType) for kind in (label, prediction))
    if of_numbers or (of_texts and loss == "zero_one"):
        return of_numbers
    kinds = f"the label is a {label.simpleString()} and the prediction a {prediction.simpleString()}"
    if of_texts:
        raise ConfigError(f"evaluate.loss {loss}: {kinds}; between texts there is only the loss zero_one")
    raise ConfigError(
        f"evaluate.loss {loss}: {kinds}, which can't be compared; give the label the prediction's type in its contract"
        + (", or name another output in evaluate.prediction" if loss in LOSSES_OF_NUMBERS else "")
    )
