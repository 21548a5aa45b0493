"""The amqp road: commands travel through RabbitMQ to as many consumers as wanted. The outbox stays the truth."""

from meshkit.amqp.link import Broker
from meshkit.amqp.traffic import RoadPace, Traffic

__all__ = ["Broker", "RoadPace", "Traffic"]
