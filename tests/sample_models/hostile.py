"""A candidate from hell: does what the values of its input x ask for, and else gives x back with the sign changed."""

import ctypes
import os
import random
import time
import warnings

import mlflow
import numpy as np
import pandas as pd

RAISES, EXITS, INTERRUPTS, HANGS, LOOPS, KEEPS_LOCK = 901.0, 902.0, 903.0, 904.0, 905.0, 906.0
TOO_MANY, TEXT, NAN, NONE, SPOILS, SURROGATE = 911.0, 912.0, 913.0, 914.0, 915.0, 916.0


def spoil(frame):
    """Changes all that a model can lay hands on."""
    frame.iloc[:, :] = 0.0
    random.seed(1)
    np.random.seed(1)
    np.seterr(all="raise")
    pd.set_option("mode.chained_assignment", "raise")
    pd.set_option("compute.use_bottleneck", False)
    warnings.simplefilter("error")
    os.environ["PENSTOCK_SPOILED"] = "yes"
    os.chdir("/")


def act(value, frame):
    match value:
        case 901.0:
            raise ValueError("it does not like this row")
        case 902.0:
            raise SystemExit("no more of this")
        case 903.0:
            raise KeyboardInterrupt
        case 904.0:
            time.sleep(3600)
        case 905.0:
            while True:
                pass
        case 906.0:
            ctypes.PyDLL(None).sleep(3600)
        case 911.0:
            return np.zeros(len(frame) + 1)
        case 912.0:
            return ["no number"] * len(frame)
        case 915.0:
            spoil(frame)
        case 916.0:
            raise ValueError("half a pair: \ud800")
    return None


class Hostile(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None):
        given = model_input["x"].to_numpy(copy=True)
        for value in {*given[given > 900]}:
            answer = act(value, model_input)
            if answer is not None:
                return answer
        answers = -given.astype(object)
        answers[given == NAN] = float("nan")
        answers[given == NONE] = None
        return pd.Series(answers, dtype="float64")


mlflow.models.set_model(Hostile())
