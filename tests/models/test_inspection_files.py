"""A look into one series of files, which Spark reads through the contract."""

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from fit_sandbox import MACRO, fleet_frame, macro_frame, random_levels, to_csv
from inspections import config
from statsmodels.tsa.api import VAR

from penstock.errors import FitError
from penstock.models.inspection.file_observations import read_from_files
from penstock.models.inspection.inspection import inspect_series


def test_files_are_read_as_the_fit_reads_them_and_an_unknown_series_has_the_nearest_names(spark, tmp_path):
    frame = pd.concat([macro_frame(), fleet_frame({"france": random_levels(30, seed=1)})])
    to_csv(frame, tmp_path / "data" / "all.csv")
    settings = config(fit__max_lags=2, fit__criterion="null", source__settle="0.2")
    until, data = datetime(1999, 12, 31), [str(tmp_path / "data")]
    found = inspect_series(read_from_files(spark, settings, "usa", data=data, until=until), settings)
    theirs = VAR(np.diff(np.log(macro_frame()[list(MACRO)].to_numpy()[:164]), axis=0)).fit(2)
    fitted = found.frame("coefficients")["fitted"].to_numpy().reshape(3, 7)
    np.testing.assert_allclose(fitted, theirs.params.T, rtol=1e-7)
    with pytest.raises(FitError, match="there is no series 'Frances'; the nearest names are 'france', 'usa'"):
        read_from_files(spark, settings, "Frances", data=data)
