"""The chain around every RPC: one file per layer, one implementation for all four call shapes."""

from meshkit.interceptors.chain import Chain
from meshkit.interceptors.layer import Layer, Refused, outcome
from meshkit.interceptors.order import standard_layers

__all__ = ["Chain", "Layer", "Refused", "outcome", "standard_layers"]
