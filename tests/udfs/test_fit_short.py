"""Short series get as many lags as their rows bear, and no interval that promises too much."""

import numpy as np
import pytest
from statsmodels.tsa.api import VAR
from var_coverage import coverage_at_step_1, simulated_series
from var_truth import simulated

from penstock.udfs.var.deterministic import DeterministicTerms
from penstock.udfs.var.fit import fit_fleet
from penstock.udfs.var.fleet_fit import FitSettings
from penstock.udfs.var.least_squares import design, information_criteria, triangular_factor


def fit_all(pieces, **options):
    offsets = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])])
    settings = FitSettings(transforms=("none",) * pieces[0].shape[1], **options)
    return fit_fleet(np.concatenate(pieces), offsets, settings)


def rows_needed(coefficients):
    """The rule: 3 residual degrees of freedom for each coefficient of an equation, and 10 more."""
    return 4 * coefficients + 10


def borne(n, k, *, max_lags):
    return max(p for p in range(max_lags + 1) if n - p >= rows_needed(1 + p * k))


@pytest.mark.parametrize("criterion", ["aic", "bic", "hqic"])
def test_the_order_is_that_of_select_order_up_to_the_lags_borne(criterion):
    """In one fleet, with series that bear all 8 lags."""
    lengths = [27, 30, 39, 40, 41, 45, 60, 80, 116, 117, 118, 119, 200]
    pieces = [simulated(3, 2, n, seed=n) for n in lengths]
    fit = fit_all(pieces, max_lags=8, criterion=criterion)
    assert fit.lags_tried.tolist() == [borne(n, 3, max_lags=8) for n in lengths]
    assert fit.lags_tried[[0, -1]].tolist() == [1, 8]
    for row, piece in enumerate(pieces):
        order = int(getattr(VAR(piece).select_order(int(fit.lags_tried[row])), criterion))
        assert fit.lag_order[row] == order
        np.testing.assert_allclose(fit.sigma_u[row], VAR(piece).fit(order).sigma_u, rtol=1e-8)


def aicc(values, *, max_lags):
    """Hurvich and Tsai 1993: T (log |S| + k) + 2 d (m k + k (k + 1) / 2), d = T / (T - m - k - 1), over T rows, by lag
    order."""
    k, found = values.shape[1], []
    n_rows = len(values) - max_lags
    for order in range(max_lags + 1):
        theirs = VAR(values[max_lags - order :]).fit(order)
        assert theirs.nobs == n_rows
        m = 1 + order * k
        correction = n_rows / (n_rows - m - k - 1) * (m * k + k * (k + 1) / 2)
        found.append(n_rows * (np.linalg.slogdet(theirs.sigma_u_mle)[1] + k) + 2 * correction)
    return np.array(found)


def test_the_numbers_of_aicc():
    values, n_rows = simulated(3, 2, 60, seed=1), 56
    factor = triangular_factor(
        design(values[None], np.array([60]), lag_order=4, first_row=4, terms=DeterministicTerms("c"))
    )
    ours = information_criteria(factor, np.array([n_rows]), max_lags=4, n_variables=3, terms=DeterministicTerms("c"))[
        "aicc"
    ][0]
    np.testing.assert_allclose(n_rows * (ours + 3), aicc(values, max_lags=4), rtol=1e-10)


def test_aicc():
    pieces = [simulated(3, 1 + n % 4, n, seed=n) for n in range(40, 140, 5)]
    fit = fit_all(pieces, max_lags=6, criterion="aicc")
    wanted = [int(aicc(piece, max_lags=borne(len(piece), 3, max_lags=6)).argmin()) for piece in pieces]
    assert fit.lag_order.tolist() == wanted
    assert fit.lag_order.sum() < fit_all(pieces, max_lags=6, criterion="aic").lag_order.sum()


@pytest.mark.parametrize("criterion", ["aic", "aicc", "bic"])
@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_shortest_accepted_series_are_covered(k, criterion):
    """The known probability that the next value is in the interval, over random stable VARs."""
    shortest = rows_needed(1 + k) + 1
    for n in (shortest, rows_needed(1 + 2 * k) + 2):
        series = simulated_series(k, 2, n, spectral_radius=0.8, n_series=400, seed=n)
        found = coverage_at_step_1(series, max_lags=8, criterion=criterion)
        assert found.n_refused < 4  # unstable ones
        assert found.coverage >= 0.9
    too_short = simulated_series(k, 1, shortest - 1, spectral_radius=0.8, n_series=5, seed=1)
    assert coverage_at_step_1(too_short, max_lags=8, criterion=criterion).n_refused == 5


def test_statsmodels_bound_alone_promises_too_much():
    """3 variables, 40 observations, 8 lags by AIC."""
    series = simulated_series(3, 1, 40, spectral_radius=0.8, n_series=300, seed=1)
    unbounded = coverage_at_step_1(
        series, max_lags=8, criterion="aic", residual_degrees_per_coefficient=0, residual_degrees_beyond=0
    )
    assert unbounded.coverage < 0.85
