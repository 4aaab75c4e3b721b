"""Read what a process offers to Prometheus, without a Prometheus."""

from __future__ import annotations

from typing import Final

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from workbook_lib.lab.evidence.polling import EvidenceError

__all__ = ["metric"]

TIMEOUT_SECONDS: Final = 5.0


async def metric(url: str, name: str, **labels: str) -> float:
    """The sum of the samples called `name` at a metrics address that have these labels; 0 when there is none.

    Raises EvidenceError when the address doesn't answer with metrics within 5 s.
    """
    try:
        async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS) as client:
            answer = (await client.get(url)).raise_for_status()
        families = list(text_string_to_metric_families(answer.text))
    except (httpx2.HTTPError, ValueError) as error:
        raise EvidenceError(f"{url} offers no metrics: {error!r}") from error
    samples = (sample for family in families for sample in family.samples if sample.name == name)
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())
