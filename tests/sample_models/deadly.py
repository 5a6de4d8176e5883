"""Ends or stops its process, or raises what is no Exception, at a wine of a certain percentage of alcohol."""

import ctypes
import os
import tempfile
import time
from pathlib import Path

import mlflow
import pandas as pd

#: Has the process that hangs.
HUNG = Path(tempfile.gettempdir()) / "penstock-tests-hung-worker"
EXITS, CRASHES, HANGS, RAISES = 13.1, 13.2, 13.3, 13.4


class Deadly(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        found = set(model_input["alcohol"])
        if EXITS in found:
            os._exit(3)
        if CRASHES in found:
            ctypes.string_at(0)
        if HANGS in found:
            HUNG.write_text(str(os.getpid()))
            time.sleep(3600)
        if RAISES in found:
            raise SystemExit("no more wine")
        return 10 * model_input["alcohol"] + model_input["pH"]


mlflow.models.set_model(Deadly())
