import pandas as pd
import pytest

from penstock.udfs.scoring.hooks import HookedModel


class Steps(HookedModel):
    def preprocess(self, frame):
        return frame + 1

    def predict_frame(self, frame):
        return frame["x"] * 10

    def postprocess(self, frame, answer):
        return answer - frame["x"]


class Plain(HookedModel):
    def predict_frame(self, frame):
        return frame["x"] * 2


ONE_TWO = pd.DataFrame({"x": [1.0, 2.0]})


def test_the_steps_come_in_their_order():
    """(1 + 1) * 10 - 1 and (2 + 1) * 10 - 2."""
    assert list(Steps().predict(None, ONE_TWO)) == [19.0, 28.0]
    assert list(ONE_TWO["x"]) == [1.0, 2.0]


def test_a_step_that_is_not_given_changes_nothing():
    assert list(Plain().predict(None, ONE_TWO)) == [2.0, 4.0]


def test_without_a_prediction_it_says_what_is_missing():
    with pytest.raises(NotImplementedError, match=r"HookedModel needs a predict_frame\(self, frame\)"):
        HookedModel().predict(None, ONE_TWO)
