"""The models of a fleet as memory-mapped `.npy` files: written once, opened in constant time, shared by all
processes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .deterministic import DeterministicTerms
from .fleet_cache import FileStamp, cached_folder, stamp_file
from .fleet_ids import find_ids, index_arrays
from .kernel import FloatArray, IntArray
from .pooled_var import PooledVar

FORMAT = 1
MANIFEST = "fleet.json"
ROWS_PER_WRITE = 50_000
#: The beginnings of the files that find a series by its id, and a series that the fit refused.
INDEX, REFUSED_INDEX = "index_", "refused_index_"
#: The beginnings of the files of WalkSpreads, of changes from period to period and from season to season.
SPREADS, SEASONAL_SPREADS = "spreads_", "seasonal_spreads_"
#: The beginning of the files of PooledVar.
POOLED = "pooled_"


@dataclass(frozen=True)
class FleetAbout:
    """Properties common to all series of a fleet. anchor: ISO timestamp that periods are counted from. holidays: ISO
    dates that are no business days. point: what point forecasts are, one of transform.POINTS; fleets of earlier
    versions do not say, and theirs are medians. level: coverage of the interval whose half-widths are stored; levels:
    of further ones, ascending. season, fourier: see DeterministicTerms; fleets of earlier versions have no season.
    fallback: what rows without a forecast of a VAR get, one of fleet_fallback.FALLBACKS. exogenous: names of the
    variables whose values of the periods that are forecast are inputs."""

    variables: tuple[str, ...]
    transforms: tuple[str, ...]
    trend: str
    frequency: str
    horizon: int
    level: float
    max_lag_order: int
    ids_are_strings: bool
    anchor: str
    holidays: tuple[str, ...] = ()
    point: str = "median"
    season: float = 0.0
    fourier: int = 0
    levels: tuple[float, ...] = ()
    fallback: str = "none"
    exogenous: tuple[str, ...] = ()

    @property
    def terms(self) -> DeterministicTerms:
        return DeterministicTerms(trend=self.trend, season=self.season, fourier=self.fourier, exogenous=self.exogenous)

    @property
    def record_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of what a series' record holds: trend coefficients, coefficients, half-widths, the coefficients of
        exogenous variables, and the season (see DeterministicTerms.stored)."""
        k = len(self.variables)
        return (
            (self.terms.n_trend, k),
            (self.max_lag_order, k, k),
            (self.horizon, k),
            (len(self.exogenous), k),
            (self.terms.n_stored, k),
        )

    @property
    def record_splits(self) -> tuple[int, ...]:
        """Where the parts of a record end."""
        return tuple(int(end) for end in np.cumsum([int(np.prod(shape)) for shape in self.record_shapes]))


@dataclass(frozen=True)
class WalkSpreads:
    """Standard deviations of the changes on the scale, NaN where none is known: from one period to the next, or for the
    fallback `seasonal_naive` from one season to the next. own: (n, k), of the series of a fleet. refused: (m, k), of
    those that the fit refused. fleet: (k,), for a series without one."""

    own: FloatArray
    refused: FloatArray
    fleet: FloatArray

    @classmethod
    def unknown(cls, n_variables: int) -> WalkSpreads:
        """Of a fleet of no series."""
        nothing = np.zeros((0, n_variables))
        return cls(own=nothing, refused=nothing, fleet=np.full(n_variables, np.nan))


@dataclass(frozen=True)
class FleetStore:
    """An open fleet of n series, in the order of `index`. records: (n, width); lag_order: (n,);
    time_origin: (n,), time index minus number of the period, for trends in time and seasons. refused_codes: (m,), the
    number of the reason of each series that the fit refused, in the order of `refused_index`; both are empty in models
    of earlier versions. spreads: in the order of these two; None without a fallback. seasonal_spreads: None without the
    fallback seasonal_naive. pooled: None without the fallback pooled."""

    about: FleetAbout
    records: FloatArray
    lag_order: NDArray[np.int16]
    time_origin: FloatArray
    index: dict[str, NDArray[Any]] = field(repr=False)
    refused_index: dict[str, NDArray[Any]] = field(default_factory=dict, repr=False)
    refused_codes: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, dtype=np.int32), repr=False)
    spreads: WalkSpreads | None = None
    seasonal_spreads: WalkSpreads | None = None
    pooled: PooledVar | None = None

    @property
    def season(self) -> FloatArray:
        """(n, n_stored, k), a view of the records."""
        start, shape = self.about.record_splits[-2], self.about.record_shapes[-1]
        return self.records[:, start:].reshape(-1, *shape)

    def find(self, ids: NDArray[Any]) -> IntArray:
        """(n_ids,), the place of each series, -1 for one that isn't in the fleet."""
        return find_ids(self.index, ids)

    def find_refused(self, ids: NDArray[Any]) -> IntArray:
        """(n_ids,), the number of the reason for which the fit refused each series, -1 for one that it did not."""
        if not len(self.refused_codes):
            return np.full(len(ids), -1, dtype=np.int64)
        places = find_ids(self.refused_index, ids)
        return np.where(places >= 0, self.refused_codes[places], -1).astype(np.int64)


def write_store(
    folder: Path,
    *,
    about: FleetAbout,
    ids: NDArray[Any],
    record_parts: Sequence[FloatArray],
    lag_order: IntArray,
    time_origin: FloatArray,
    refused_ids: NDArray[Any],
    refused_codes: IntArray,
    spreads: WalkSpreads | None = None,
    seasonal_spreads: WalkSpreads | None = None,
    pooled: PooledVar | None = None,
) -> None:
    """Write a fleet to a new folder. record_parts: with the shapes of `about.record_shapes`, series first.
    refused_ids, refused_codes: see fleet_refused.RefusedSeries. spreads, seasonal_spreads: in the order of ids and
    refused_ids."""
    folder.mkdir(parents=True)
    order, index = index_arrays(ids)
    _save_arrays(folder, INDEX, index)
    refused_order, refused_index = index_arrays(refused_ids)
    _save_arrays(folder, REFUSED_INDEX, refused_index)
    np.save(folder / "refused_codes.npy", refused_codes[refused_order].astype(np.int32), allow_pickle=False)
    np.save(folder / "lag_order.npy", lag_order[order].astype(np.int16), allow_pickle=False)
    np.save(folder / "time_origin.npy", time_origin[order], allow_pickle=False)
    for prefix, walk in ((SPREADS, spreads), (SEASONAL_SPREADS, seasonal_spreads)):
        if walk is not None:
            _save_arrays(
                folder, prefix, {"own": walk.own[order], "refused": walk.refused[refused_order], "fleet": walk.fleet}
            )
    if pooled is not None:
        _save_arrays(folder, POOLED, vars(pooled))
    # written in pieces through a memory map, so that no second copy of a big fleet is held in memory
    records = np.lib.format.open_memmap(
        folder / "records.npy", mode="w+", dtype=np.float64, shape=(len(ids), about.record_splits[-1])
    )
    for start in range(0, len(ids), ROWS_PER_WRITE):
        rows = order[start : start + ROWS_PER_WRITE]
        parts = [part[rows].reshape(len(rows), -1) for part in record_parts]
        records[start : start + len(rows)] = np.concatenate(parts, axis=1)
    records.flush()
    stamps = {path.name: stamp_file(path) for path in sorted(folder.glob("*.npy"))}
    content: dict[str, Any] = {
        "format": FORMAT,
        "about": asdict(about),
        "files": {name: asdict(stamp) for name, stamp in stamps.items()},
    }
    key = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps({**content, "sha256": key}, indent=1))


def _save_arrays(folder: Path, prefix: str, arrays: dict[str, NDArray[Any]]) -> None:
    for name, array in arrays.items():
        np.save(folder / f"{prefix}{name}.npy", array, allow_pickle=False)


def _index_of(arrays: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _walk_of(arrays: dict[str, NDArray[Any]], prefix: str) -> WalkSpreads | None:
    return WalkSpreads(**_index_of(arrays, prefix)) if f"{prefix}fleet" in arrays else None


def open_store(folder: Path) -> FleetStore:
    """Open a fleet by way of the host's cache."""
    manifest = _manifest(folder)
    stamps = {name: FileStamp(**stamp) for name, stamp in manifest["files"].items()}
    shared = cached_folder(folder, key=manifest["sha256"], stamps=stamps)
    # a plain array over the map: indexing np.memmap itself calls slow Python hooks
    arrays = {
        name.removesuffix(".npy"): np.asarray(np.load(shared / name, mmap_mode="r", allow_pickle=False))
        for name in stamps
    }
    return FleetStore(
        about=_about(manifest),
        records=arrays["records"],
        lag_order=arrays["lag_order"],
        time_origin=arrays["time_origin"],
        index=_index_of(arrays, INDEX),
        refused_index=_index_of(arrays, REFUSED_INDEX),
        refused_codes=arrays.get("refused_codes", np.zeros(0, dtype=np.int32)),
        spreads=_walk_of(arrays, SPREADS),
        seasonal_spreads=_walk_of(arrays, SEASONAL_SPREADS),
        pooled=PooledVar(**_index_of(arrays, POOLED)) if f"{POOLED}constants" in arrays else None,
    )


def _manifest(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    if manifest["format"] != FORMAT:
        raise ValueError(f"the fleet has format {manifest['format']}, this code reads {FORMAT}")
    return manifest


def _about(manifest: dict[str, Any]) -> FleetAbout:
    about: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in manifest["about"].items()
    }
    return FleetAbout(**about)
