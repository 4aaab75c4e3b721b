"""What a breaker is told."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["BreakerSettings"]


class BreakerSettings(BaseModel):
    """When calls are refused; names and defaults are Hystrix's, except that units are in the names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    timeout_seconds: float | None = Field(
        default=1.0,
        gt=0,
        description="after which a call is cancelled and counts as an error; None: it ends by itself",
    )
    max_concurrent: int = Field(default=100, ge=1, description="calls under way; one more is rejected")
    request_volume_threshold: int = Field(
        default=20,
        ge=1,
        description="calls that the window holds at least before errors can open the breaker",
    )
    sleep_window_seconds: float = Field(
        default=5.0,
        ge=0,
        description="how long an open breaker refuses every call before it lets one probe through",
    )
    error_threshold_percent: float = Field(
        default=50, gt=0, le=100, description="share of errors in the window at which the breaker opens"
    )
    window_seconds: float = Field(default=10.0, gt=0, description="how long a finished call counts, at most")
    window_buckets: int = Field(
        default=10, ge=1, description="parts of the window; it moves on, and forgets, by one of them"
    )
