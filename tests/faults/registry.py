"""All experiments, by the number that each has in the list of faults."""

from __future__ import annotations

from . import broker, database, frozen, identity, models, network, overload, poison, processes, streams, upheavals
from .experiments import Trial

TRIALS: tuple[Trial, ...] = (
    *processes.TRIALS,
    *network.TRIALS,
    *database.TRIALS,
    *identity.TRIALS,
    *broker.TRIALS,
    *models.TRIALS,
    *streams.TRIALS,
    *overload.TRIALS,
    *upheavals.TRIALS,
    *poison.TRIALS,
    frozen.TRIAL,
)
