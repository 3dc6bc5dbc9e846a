"""From what was counted to transport coefficients, each with its standard error, in SI units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ..errors import Unconverged
from ..exact.onsager import jump_diffusivity, onsager_matrix, transference_numbers
from ..model.formula import neutral_unit
from ..ndarrays import BoolArray, FloatArray
from ..records import Estimate, Missing, Tallies
from ..units import ANGSTROM, E_CHARGE, K_B
from .batches import (
    MIN_BATCHES,
    autocorrelated,
    jackknife,
    leave_one_out,
    of_few_replicas,
    replicas_agree,
    slow_variance,
)
from .diffusion import Blocks, block_means, choose_blocks, slopes
from .system import System, single_file_time, slowest_tail, uncorrelated

__all__ = ["Evaluation", "System", "evaluate"]

_OF_MEANS = ("drift_velocity", "mobility")
_OF_TRACERS = ("tracer_diffusivity", "correlation_factor")
_OF_BOTH = ("haven_ratio",)
_MIXED = ("transference", "jump_diffusivity")
_OF_ALL = ("charge_diffusivity", "conductivity", *_MIXED)
_OF_PAIRS = ("collective_diffusivity", "onsager")
_PER_DIRECTION = ("mobility_einstein", "mobility_vector")


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """Estimates by name (see `kmc_transport.arrays`), and how far the statistics can be trusted.

    batches : number of independent batches behind the error bars. collective_settled, tracer_settled : (S,) whether
    these diffusion coefficients of each species have reached their long-time value. agree : (S,) whether the replicas
    do. moved : (S,) whether there were hops of a species that can move. quenched : whether the error bars contain the
    scatter between replicas whose quenched parts differ. block : length of the blocks behind the collective
    diffusivity, s. response_deviation : (S,) drift against linear response in standard errors, mobility_bias : (S,)
    what the bias of linear response may make of the mobility, m²/(V s); None without
    `kmc_transport.analysis.linear.combined`.
    """

    estimates: dict[str, Estimate]
    batches: int
    collective_settled: BoolArray
    tracer_settled: BoolArray
    agree: BoolArray
    moved: BoolArray
    quenched: bool = False
    within: dict[str, FloatArray] = field(default_factory=dict)
    """Standard errors without the scatter between replicas, where ``quenched``."""
    block: float = 0.0
    response_deviation: FloatArray | None = None
    mobility_bias: FloatArray | None = None

    @property
    def collective_plateau(self) -> bool:
        return bool(self.collective_settled.all())

    @property
    def tracer_plateau(self) -> bool:
        return bool(self.tracer_settled.all())

    @property
    def consistent(self) -> bool:
        return bool(self.agree.all())

    def settled(self, name: str) -> bool:
        """Whether the blocks behind an estimate outlive the memory of the hops."""
        return bool(self._settled(name).all())

    def _settled(self, name: str) -> BoolArray:
        if name in _OF_MEANS:
            return np.ones_like(self.moved)
        if name in _OF_TRACERS:
            return self.tracer_settled
        if name in _OF_BOTH:
            return self.tracer_settled & self.collective_settled
        return self.collective_settled

    def why(self, name: str) -> tuple[Missing, ...]:
        """For each species, why an estimate has no number for it (`Missing.NOTHING` where it has one).

        What one species lacks takes nothing away from the others; of sums over all species it does.
        """
        if name not in self.estimates:
            return (Missing.OTHER_FIELD,) * len(self.moved)
        agree, settled = self.agree, self._settled(name)
        if name in _OF_ALL:
            agree, settled = (np.full_like(x, x.all()) for x in (agree, settled))
        found = []
        for a in range(len(self.moved)):
            why = Missing.NOTHING
            if not np.isfinite(of_species(name, self.estimates[name].value, a)).any():
                why = Missing.NO_WAY if self.moved[a] else Missing.STILL
            elif self.batches < MIN_BATCHES:
                why = Missing.FEW_BATCHES
            elif not settled[a]:
                why = Missing.MEMORY
            elif not agree[a]:
                why = Missing.CONTRADICTION
            found.append(why)
        return tuple(found)

    def trustworthy(self, name: str) -> Estimate | None:
        """The estimate with NaN where a species has no number, or None where none has."""
        why = self.why(name)
        if all(w is not Missing.NOTHING for w in why):
            return None
        value, stderr = (np.array(x) for x in (self.estimates[name].value, self.estimates[name].stderr))
        for a in [a for a, w in enumerate(why) if w is not Missing.NOTHING]:
            blank(name, value, a)
            blank(name, stderr, a)
        return replace(self.estimates[name], value=value, stderr=stderr)

    def doubt(self, name: str) -> str:
        """Why the statistics behind an estimate are too weak, for some species at least; empty when they are not."""
        if self.batches < MIN_BATCHES:
            return f"only {self.batches} batches, {MIN_BATCHES} are needed"
        if not self.settled(name):
            return "the carriers' memory is longer than the longest block"
        return "" if self.consistent else "the replicas contradict each other, all are too short"

    def require(self, name: str) -> Estimate:
        """The estimate, or `Unconverged` (holding it) when the statistics behind it are too weak."""
        estimate, doubt = self.estimates[name], self.doubt(name)
        if doubt:
            raise Unconverged(f"{name}: {doubt}", estimate)
        return estimate


def evaluate(system: System, replicas: Sequence[Tallies], *, quenched: bool = False) -> Evaluation:
    """All transport coefficients of one simulated point.

    With X_a the summed displacement of the N_a carriers of species a, r that of one carrier, V the volume:

    ======================  ===================================================================
    drift_velocity          <X_a>/(N_a t), (S, 3) m/s
    mobility                drift_velocity.E/E², (S,) m²/(V s); only with a field
    tracer_diffusivity      <Δr Δr>/2t, (S, 3, 3) m²/s
    collective_diffusivity  <ΔX_a ΔX_b>/(2 sqrt(N_a N_b) t), (S, 3, S, 3) m²/s
    charge_diffusivity      sum_ab q_a q_b <ΔX_a ΔX_b>/(2 t sum_a N_a q_a²), (3, 3) m²/s
    mobility_einstein       sum_b q_b <X_a X_b>/(2 N_a kT t) along each direction, (n_directions, S);
                            only without field
    mobility_tensor         the same as a tensor, (S, 3, 3): v_i = sum_j mu_ij E_j in a weak field
    mobility_vector         the tensor times each direction, (n_directions, S, 3): v/E in a weak field along it
    conductivity            sum_ab q_a q_b <X_a X_b>/(2 kT V t), (3, 3) S/m; only without field
    onsager                 e² <X_a X_b>/(2 kT V t), (S, 3, S, 3) S/m; only without field
    transference            share of each species in the current along each direction, (n_directions, S); only
                            without field
    jump_diffusivity        kT Lambda/c of the formula unit that can be exchanged, (3, 3) m²/s (`exact.onsager`);
                            only without field, and where there is such a unit
    haven_ratio             tracer over collective diffusivity of the species, (S, 3)
    correlation_factor      tracer diffusivity over that of uncorrelated hops at the same rate, (S, 3)
    ======================  ===================================================================

    Components along which the hops lead nowhere are exactly zero (ratios: NaN) with zero error.

    quenched : parts of the replicas that no hop can change differ (numbers of carriers in channels that do not meet,
    species that stand still). Then the error is that of the mean over replicas, each of which is one sample of them.

    Source: A. R. Allnatt & A. B. Lidiard, Atomic Transport in Solids (1993), chs. 5-6 (coefficients and
    correlation factors); M. P. Allen & D. J. Tildesley (2017), ch. 8 (batches).
    """
    parts_of = list(replicas)
    whole = tallies = Tallies.concatenate(parts_of)
    spread = quenched and len(parts_of) > 1
    rates = np.stack(
        [whole.events[:, system.hop_carrier == a].sum(axis=1) for a in range(len(whole.number))], axis=1
    )
    own = _less_replica(rates, len(parts_of)) if spread else rates.astype(float)
    slow = slow_variance(own) if len(rates) > 1 else np.zeros(rates.shape[1])
    squares = np.einsum("raii->ra", whole.tracer[:, whole.levels // 2])
    alike = replicas_agree(np.concatenate([rates, squares], axis=1), len(parts_of))
    agree = np.logical_and(*np.split(alike, 2)) | spread
    while True:
        result, parts = _evaluate(system, tallies, slow, agree, len(parts_of) if spread else 1)
        if spread:
            parts = _less_replica(parts, len(parts_of))
        if tallies.n_rows < 2 * MIN_BATCHES or not autocorrelated(parts):
            return result
        # neighbouring batches are alike: join them, or the error bar comes out too small
        parts_of = [t.rows(slice(0, t.n_rows - t.n_rows % 2)).coarsened() for t in parts_of]
        tallies = Tallies.concatenate(parts_of)


def _less_replica(rows: npt.ArrayLike, n_replicas: int) -> FloatArray:
    """Rows of all replicas, one after the other, around the mean of all instead of that of their replica."""
    rows = np.asarray(rows, float)
    own = rows.reshape(n_replicas, -1, rows.shape[1])
    return np.asarray((own - own.mean(axis=1, keepdims=True)).reshape(rows.shape) + rows.mean(axis=0))


def _evaluate(
    system: System, tallies: Tallies, slow: FloatArray, agree: BoolArray, n_samples: int
) -> tuple[Evaluation, FloatArray]:
    """Estimates from the rows as they are, and their leave-one-out values (n, k).

    slow : (S,) relative variance that the correlation of the rows adds. agree : (S,) verdict on the replicas.
    n_samples : replicas (one after the other in the rows) that are samples of their quenched parts, or 1.
    """
    velocity, collective, tracer = block_means(tallies)
    n, n_species = velocity.shape[:2]
    number = tallies.number.astype(float)
    if n < 2:
        raise Unconverged(f"{n} batches are too few for an error bar")

    loo_velocity = leave_one_out(velocity)
    per_carrier = 1 / np.sqrt(number)
    collective = collective * per_carrier[:, None, None, None] * per_carrier[:, None]

    def drift_products(v: FloatArray) -> tuple[FloatArray, FloatArray] | tuple[None, None]:
        if not system.driven:  # detailed balance: no drift to subtract
            return None, None
        scaled = v * per_carrier[:, None]
        mean = v / number[:, None]
        return (
            scaled[:, :, :, None, None] * scaled[:, None, None, :, :],
            mean[:, :, :, None] * mean[:, :, None, :],
        )

    lag = tallies.sample_interval
    event_rate = tallies.events / tallies.row_time
    span = system.span
    moves = np.einsum("aii->ai", span) > 0
    free = uncorrelated(system, leave_one_out(event_rate), number)
    mean = slopes(collective.mean(axis=0, keepdims=True), drift_products(velocity.mean(axis=0)[None])[0], lag)
    slowest = slowest_tail(system, np.einsum("laibj,ab->laij", mean[0], np.eye(n_species)), lag)

    def blocks(squares: FloatArray, drift: FloatArray | None, which: BoolArray) -> Blocks:
        """From (n, levels+1, S, 3) leave-one-out means of squares, of some of the species."""
        first = squares[:, :1] if drift is None else squares[:, :1] - drift[:, None] * lag**2
        short = np.concatenate([free[:, None], first / (2 * lag)], axis=1)[:, :, which]
        long = slopes(squares, drift, lag)[:, :, which]
        return choose_blocks(long.reshape(n, tallies.levels, -1), short.reshape(n, 2, -1), slowest)

    both, own = drift_products(loo_velocity)
    squares_t = np.einsum("nlaii->nlai", leave_one_out(tracer))
    own_t = None if own is None else np.einsum("naii->nai", own)
    blocks_c = blocks(
        np.einsum("nlaiai->nlai", leave_one_out(collective)),
        None if both is None else np.einsum("naiai->nai", both),
        np.ones(n_species, np.bool_),
    )
    # carriers that keep their order go where all go together: D* = D_aa/N
    ordered = system.ordered
    patience = single_file_time(system, np.einsum("laiai->lai", mean[0])[blocks_c.first])
    blocks_t = blocks_c
    if not ordered.all():
        blocks_t = blocks(squares_t, own_t, ~ordered).at_least(patience / lag, tallies.levels)

    charge, kt = system.charge, K_B * system.temperature
    charges = float((number * charge**2).sum())
    formula = neutral_unit(charge, number)
    weight = charge * np.sqrt(number)  # so that sum_ab w_a w_b D_ab = sum q q <XX>/2t
    names: list[str] = []
    shapes: list[tuple[int, ...]] = []

    def derive(v: FloatArray, c: FloatArray, t: FloatArray, rate: FloatArray) -> FloatArray:
        """All coefficients of each set of averages (leading axis), flattened side by side, in Å, s, e, V."""
        both, own = drift_products(v)
        d_c = np.einsum("aij,najbk,bkl->naibl", span, blocks_c.combine(c, both, lag), span)
        d_t = span @ blocks_t.combine(t, own, lag) @ span
        for a in np.flatnonzero(ordered):
            d_t[:, a] = d_c[:, a, :, a] / number[a]
        drift = np.einsum("aij,naj->nai", span, v) / number[:, None]
        total = np.einsum("a,naibj,b->nij", weight, d_c, weight)
        own_c = np.einsum("naiai->nai", d_c)
        own_t = np.einsum("naii->nai", d_t)
        out: dict[str, FloatArray] = {
            "drift_velocity": drift,
            "tracer_diffusivity": d_t,
            "collective_diffusivity": d_c,
            "charge_diffusivity": total / charges if charges else np.full_like(total, np.nan),
        }
        with np.errstate(divide="ignore", invalid="ignore"):
            out["haven_ratio"] = np.where(moves, own_t / own_c, np.nan)
            out["correlation_factor"] = np.where(moves, own_t / uncorrelated(system, rate, number), np.nan)
        if system.driven:
            size = np.linalg.norm(system.field)
            out["mobility"] = drift @ (system.field / size) / size
        else:
            tensor = np.einsum("naibj,b->naij", d_c, weight) / (np.sqrt(number) * kt)[:, None, None]
            out["mobility_tensor"] = tensor
            out["mobility_vector"] = np.einsum("naij,dj->ndai", tensor, system.direction)
            out["mobility_einstein"] = np.einsum("ndai,di->nda", out["mobility_vector"], system.direction)
            extensive = onsager_matrix(d_c, number, kt)
            if system.volume is not None:
                out["conductivity"] = total / (kt * system.volume)
                out["onsager"] = extensive / system.volume
            out["transference"] = transference_numbers(extensive, charge, system.direction)
            if formula is not None:
                out["jump_diffusivity"] = jump_diffusivity(extensive, charge, number, formula, kt)
        if not names:
            names.extend(out)
            shapes.extend(x.shape[1:] for x in out.values())
        return np.concatenate([x.reshape(len(x), -1) for x in out.values()], axis=1)

    averages = (
        velocity,
        collective[:, blocks_c.first : blocks_c.last + 2],
        tracer[:, blocks_t.first : blocks_t.last + 2],
        event_rate,
    )
    value, stderr, parts = jackknife(derive, *averages)
    within = stderr
    if n_samples > 1:
        means = [x.reshape(n_samples, -1, *x.shape[1:]).mean(axis=1) for x in averages]
        stderr = np.maximum(within, of_few_replicas(n_samples) * jackknife(derive, *means)[1])

    hops = np.array([tallies.events[:, system.hop_carrier == a].sum() for a in range(n_species)])
    away = np.einsum(
        "nlaii->a", tallies.tracer
    )  # 0 too where it has hopped and was back before each sample ended
    still = ((hops == 0) | (away == 0)) & moves.any(axis=1)
    rows = f"{n} batches, jackknife"
    methods = {
        "drift_velocity": rows,
        "mobility": rows,
        "tracer_diffusivity": f"{blocks_t.describe('<r r>', lag)}, {rows}",
    }
    from_collective = f"{blocks_c.describe('<X X>', lag)}, {rows}"
    spread = np.einsum("naiai->ai", collective[:, 0]) / n * number[:, None]  # <X_a X_a> of one sample
    estimates: dict[str, Estimate] = {}
    errors_within: dict[str, FloatArray] = {}
    start = 0
    for name, shape in zip(names, shapes, strict=True):
        size = int(np.prod(shape))
        factor, unit = SI[name]
        v = value[start : start + size].reshape(shape)
        s = np.hypot(stderr[start : start + size].reshape(shape), np.abs(v) * _slow_error(name, slow, v))
        if n_samples > 1:
            errors_within[name] = within[start : start + size].reshape(shape) * factor
        start += size
        for species in np.flatnonzero(still):  # it could hop and has not yet: no number, rather than 0 ± 0
            blank(name, v, int(species))
            blank(name, s, int(species))
        if name in ("drift_velocity", "mobility"):
            error = estimates["drift_velocity"].stderr if name == "mobility" else s * factor
            mean = estimates["drift_velocity"].value if name == "mobility" else v * factor
            ess = _samples_of_mean(mean, error, spread, number, lag)
        else:
            ess = _samples_of_variance(v, s)
        estimates[name] = Estimate(
            value=v * factor,
            stderr=s * factor,
            effective_samples=ess,
            method=methods.get(name, from_collective),
            unit=unit,
        )
    settled_c = settled_t = np.ones(n_species, np.bool_)
    if not blocks_c.settled:
        settled_c = _settled_species(_species_slopes(collective, both, lag, weight), slowest)
    if not blocks_t.settled:
        settled_t = ~settled_t
        if lag * 2**blocks_t.first >= patience:
            settled_t = _settled_species(np.einsum("nlai->alni", slopes(squares_t, own_t, lag)), slowest)
    settled_t = np.where(ordered, settled_c, settled_t)
    found = Evaluation(
        estimates=estimates,
        batches=n,
        collective_settled=settled_c,
        tracer_settled=settled_t,
        agree=agree,
        moved=~still,
        quenched=n_samples > 1,
        within=errors_within,
        block=lag * 2**blocks_c.last,
    )
    return found, parts


def _settled_species(slopes_of: FloatArray, tail: FloatArray) -> BoolArray:
    """(S,) whether each species has settled by itself, where all together have not. (S, levels, n, k) slopes."""
    return np.array([choose_blocks(np.swapaxes(x, 0, 1), None, tail).settled for x in slopes_of])


def _species_slopes(
    collective: FloatArray, drift: FloatArray | None, lag: float, weight: FloatArray
) -> FloatArray:
    """(S, levels, n, 6) collective diffusivity of each species, and what all of them add to its mobility."""
    each = slopes(leave_one_out(collective), drift, lag)
    own, all_ = np.einsum("nlaiai->alni", each), np.einsum("nlaibi,b->alni", each, weight)
    return np.asarray(np.concatenate([own, all_], axis=-1))


def of_species(name: str, array: FloatArray, species: int) -> FloatArray:
    """The elements of an estimate that belong to a species; all of a sum over species."""
    if name in _OF_ALL:
        return array
    return array[:, species] if name in _PER_DIRECTION else array[species]


def blank(name: str, array: FloatArray, species: int) -> None:
    """NaN for what belongs to one species in an estimate, or needs it; sums over all species stay."""
    if name in _MIXED:
        array[...] = np.nan
    if name in _OF_ALL:
        return
    if name in _PER_DIRECTION:
        array[:, species] = np.nan
        return
    array[species] = np.nan
    if name in _OF_PAIRS:
        array[:, :, species] = np.nan


def _slow_error(name: str, slow: FloatArray, value: FloatArray) -> FloatArray:
    """Relative error from slow modulations for each element of an estimate; it cancels in ratios."""
    own, shape = np.sqrt(slow), value.shape
    if name in ("haven_ratio", "correlation_factor"):
        return np.zeros(shape)
    if name == "mobility_einstein":
        return np.broadcast_to(own, shape)
    if name == "mobility_vector":
        return np.broadcast_to(own[:, None], shape)
    if name in _OF_PAIRS:
        return np.broadcast_to(np.maximum(own[:, None, None, None], own[None, None, :, None]), shape)
    if name == "transference":  # the share of one species changes at the cost of the others
        return np.abs(1 - value) * own.max()
    if name in _OF_ALL:
        return np.full(shape, own.max())
    return np.broadcast_to(own.reshape(-1, *(1,) * (len(shape) - 1)), shape)


SI: dict[str, tuple[float, str]] = {
    "drift_velocity": (ANGSTROM, "m s-1"),
    "mobility": (ANGSTROM**2, "m2 V-1 s-1"),
    "mobility_einstein": (ANGSTROM**2, "m2 V-1 s-1"),
    "mobility_tensor": (ANGSTROM**2, "m2 V-1 s-1"),
    "mobility_vector": (ANGSTROM**2, "m2 V-1 s-1"),
    "tracer_diffusivity": (ANGSTROM**2, "m2 s-1"),
    "collective_diffusivity": (ANGSTROM**2, "m2 s-1"),
    "charge_diffusivity": (ANGSTROM**2, "m2 s-1"),
    "conductivity": (E_CHARGE / ANGSTROM, "S m-1"),  # e/(V s Å) is E_CHARGE A/V per Å
    "onsager": (E_CHARGE / ANGSTROM, "S m-1"),
    "transference": (1.0, "1"),
    "jump_diffusivity": (ANGSTROM**2, "m2 s-1"),
    "haven_ratio": (1.0, "1"),
    "correlation_factor": (1.0, "1"),
}
"""From the package's units (Å, s, e, V) to SI."""


def _samples_of_mean(
    mean: FloatArray, stderr: FloatArray, spread: FloatArray, number: FloatArray, lag: float
) -> float:
    """Independent samples behind a mean velocity: variance of one sample over variance of the mean."""
    alive = stderr > 0
    if not alive.any():
        return float("inf")
    step = number[:, None] * lag / ANGSTROM
    variance = spread - (mean * step) ** 2
    return float((variance[alive] / (stderr * step)[alive] ** 2).min())


def _samples_of_variance(value: FloatArray, stderr: FloatArray) -> float:
    """Normal samples whose variance would be known as well: 2 (value/stderr)²; least of the large components."""
    alive = np.isfinite(value) & (stderr > 0)
    if not alive.any():
        return float("inf")
    size = np.abs(value[alive])
    large = size > 0.1 * size.max()
    return float((2 * (size / stderr[alive]) ** 2)[large].min())
