"""Retries as gRPC itself makes them: a service config (gRFC A6) for the methods that may be repeated.

Which ones, the contract says: `option idempotency_level = NO_SIDE_EFFECTS` or `IDEMPOTENT` in the `.proto`.
"""

import json
from typing import Final

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

__all__ = ["is_repeatable", "service_config"]

_MOST_ATTEMPTS: Final = 5  # gRPC takes more for 5


def is_repeatable(method: MethodDescriptor) -> bool:
    """Whether the contract says that sending the same again changes nothing more."""
    level: int = method.GetOptions().idempotency_level
    return level != MethodOptions.IDEMPOTENCY_UNKNOWN


def service_config(
    *services: ServiceDescriptor,
    attempts: int = 4,
    first_seconds: float = 0.05,
    longest_seconds: float = 1.0,
    growth: float = 2.0,
    tokens: int = 10,
    earned: float = 0.1,
) -> str:
    """The JSON for a channel's option `grpc.service_config`: retries of repeatable methods, with throttling.

    A call that fails with UNAVAILABLE before its answer has begun is sent again, up to `attempts` times in
    all and within its deadline, after a random part of `first_seconds`, then `growth` times as long, up to
    `longest_seconds`. Retries stop while the server fails too often, so that they don't finish it off: each
    failure takes one of `tokens`, each success gives back `earned`, and below half there are no retries.

    Raises ValueError for attempts that gRPC wouldn't make.
    """
    if not 2 <= attempts <= _MOST_ATTEMPTS:
        raise ValueError(f"attempts must be 2 to {_MOST_ATTEMPTS}")
    names = [
        {"service": service.full_name, "method": method.name}
        for service in services
        for method in service.methods
        if is_repeatable(method)
    ]
    policy = {
        "maxAttempts": attempts,
        "initialBackoff": f"{first_seconds:.3f}s",
        "maxBackoff": f"{longest_seconds:.3f}s",
        "backoffMultiplier": growth,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    config = {
        "methodConfig": [{"name": names, "retryPolicy": policy}] if names else [],
        # With a decimal point: gRPC 1.85 reads a plain 1 as a thousandth.
        "retryThrottling": {"maxTokens": tokens, "tokenRatio": float(earned)},
    }
    return json.dumps(config)
