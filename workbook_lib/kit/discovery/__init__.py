"""Finding a service's instances, choosing one of them per call, and another when it fails.

After go-kit's sd and sd/lb: a subscriber follows the registry, a balancer chooses, a retry chooses again.
"""

from workbook_lib.kit.discovery.balancers import LeastOutstanding, RoundRobin, WeightedRandom
from workbook_lib.kit.discovery.budget import RetryBudget
from workbook_lib.kit.discovery.directory import Directory
from workbook_lib.kit.discovery.failover import Failover, Observe
from workbook_lib.kit.discovery.instances import Instances, NoInstances, StaticInstances
from workbook_lib.kit.discovery.memory import EndpointMemory, Remembered
from workbook_lib.kit.discovery.subscriber import Subscriber

__all__ = [
    "Directory",
    "EndpointMemory",
    "Failover",
    "Instances",
    "LeastOutstanding",
    "NoInstances",
    "Observe",
    "Remembered",
    "RetryBudget",
    "RoundRobin",
    "StaticInstances",
    "Subscriber",
    "WeightedRandom",
]
