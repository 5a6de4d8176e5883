"""Penstock's public face: what a notebook, a contract, a model with hooks or a script of one's own imports.

Each name is looked up in its room when it is first asked for: importing penstock itself brings neither Spark nor
MLflow, as the Python workers and the quick commands import it too.
"""

from importlib import import_module

#: For type checkers, who take it for true: typing is a third of what importing this module costs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from penstock.config.loading import load_config, load_contract
    from penstock.config.pipeline import PipelineConfig
    from penstock.errors import ConfigError, EnvironmentCheckError, PenstockError
    from penstock.interfaces.demo.macro import macro_history
    from penstock.interfaces.sql.duckdb_queries import connect_duckdb, run_duckdb_query
    from penstock.interfaces.sql.spark_queries import make_schema, run_query
    from penstock.models.training.elasticnet import train_elasticnet
    from penstock.models.training.rows import train_rows
    from penstock.models.training.var import fit_var
    from penstock.operations.maintenance.maintain import maintain_tables
    from penstock.operations.model_store.versions import read_model_versions
    from penstock.operations.monitoring.status import read_status
    from penstock.operations.reconcile.reconcile import reconcile
    from penstock.operations.run_replay import run_replay
    from penstock.operations.run_stream import run_pipeline
    from penstock.pipeline.scored_stream import scored_stream
    from penstock.schemas.contract import Contract, Field, Rule
    from penstock.spark.pipeline_settings import settings_of
    from penstock.spark.session import build_session
    from penstock.udfs.scoring.hooks import HookedModel

__version__ = "0.2.0"
__all__ = [
    "ConfigError",
    "Contract",
    "EnvironmentCheckError",
    "Field",
    "HookedModel",
    "PenstockError",
    "PipelineConfig",
    "Rule",
    "__version__",
    "build_session",
    "connect_duckdb",
    "fit_var",
    "load_config",
    "load_contract",
    "macro_history",
    "maintain_tables",
    "make_schema",
    "read_model_versions",
    "read_status",
    "reconcile",
    "run_duckdb_query",
    "run_pipeline",
    "run_query",
    "run_replay",
    "scored_stream",
    "settings_of",
    "train_elasticnet",
    "train_rows",
]
#: Where each name is at home, as the imports above have it, which only type checkers and editors follow.
_HOMES = {
    "ConfigError": "errors",
    "Contract": "schemas.contract",
    "EnvironmentCheckError": "errors",
    "Field": "schemas.contract",
    "HookedModel": "udfs.scoring.hooks",
    "PenstockError": "errors",
    "PipelineConfig": "config.pipeline",
    "Rule": "schemas.contract",
    "build_session": "spark.session",
    "connect_duckdb": "interfaces.sql.duckdb_queries",
    "fit_var": "models.training.var",
    "load_config": "config.loading",
    "load_contract": "config.loading",
    "macro_history": "interfaces.demo.macro",
    "maintain_tables": "operations.maintenance.maintain",
    "make_schema": "interfaces.sql.spark_queries",
    "read_model_versions": "operations.model_store.versions",
    "read_status": "operations.monitoring.status",
    "reconcile": "operations.reconcile.reconcile",
    "run_duckdb_query": "interfaces.sql.duckdb_queries",
    "run_pipeline": "operations.run_stream",
    "run_query": "interfaces.sql.spark_queries",
    "run_replay": "operations.run_replay",
    "scored_stream": "pipeline.scored_stream",
    "settings_of": "spark.pipeline_settings",
    "train_elasticnet": "models.training.elasticnet",
    "train_rows": "models.training.rows",
}


if not TYPE_CHECKING:  # else any name would do for a type checker

    def __getattr__(name):
        if name not in _HOMES:
            raise AttributeError(f"module 'penstock' has no attribute {name!r}")
        value = getattr(import_module(f"penstock.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
