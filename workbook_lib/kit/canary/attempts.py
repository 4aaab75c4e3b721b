"""What callers see of each version: counted where the calls are made, since a dead process counts nothing."""

from collections import Counter
from collections.abc import Iterator, Mapping

import httpx2
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from workbook_lib.kit.canary.model import FAILED, SLOW, Tally
from workbook_lib.kit.consul import Instance
from workbook_lib.kit.errors import Unavailable
from workbook_lib.kit.http import trusted

__all__ = ["Attempts", "scrape"]

CALLS, BAD = "canary_calls", "canary_bad_calls"


class Attempts(Collector):
    """The calls to `service` by version, for `RpcClient(…, observe=attempts.observe)` or `HttpClient`.

    A version is what an instance's metadata has under `key`. Attempts that a retry hides are counted: a
    caller can do without a canary that always fails, and the canary is no better for that. One that takes
    longer than `slow_seconds` is slow. Also for `registry.register(attempts)`; see `scrape`.
    """

    def __init__(self, service: str, *, slow_seconds: float, key: str = "version") -> None:
        self.service = service
        self._slow_seconds = slow_seconds
        self._key = key
        self._calls: Counter[str] = Counter()
        self._bad: Counter[tuple[str, str]] = Counter()

    def observe(self, instance: Instance, seconds: float, error: Exception | None) -> None:
        """Count one attempt that has ended."""
        version = instance.meta.get(self._key, "")
        self._calls[version] += 1
        if error is not None:
            self._bad[version, FAILED.name] += 1
        elif seconds > self._slow_seconds:
            self._bad[version, SLOW.name] += 1

    def judge(self, version: str, way: str) -> None:
        """Count one of the calls as bad in a way that only its caller can tell."""
        self._bad[version, way] += 1

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """By version, the calls so far."""
        return {
            version: Tally(calls, {way: n for (of, way), n in self._bad.items() if of == version})
            for version, calls in self._calls.items()
        }

    def collect(self) -> Iterator[Metric]:
        """The counts in Prometheus' terms."""
        calls = CounterMetricFamily(CALLS, "Attempts that have ended.", labels=("service", "version"))
        bad = CounterMetricFamily(
            BAD, "Attempts that were bad in some way.", labels=("service", "version", "way")
        )
        for version, count in self._calls.items():
            calls.add_metric((self.service, version), count)
        for (version, way), count in self._bad.items():
            bad.add_metric((self.service, version, way), count)
        yield from (calls, bad)


async def scrape(service: str, *urls: str, timeout_seconds: float = 2.0) -> Mapping[str, Tally]:
    """By version, the calls that the callers with these metrics addresses have made to `service`, together.

    Raises `Unavailable` when one of them doesn't answer with metrics in time.
    """
    found: dict[str, Tally] = {}
    async with httpx2.AsyncClient(
        timeout=timeout_seconds, trust_env=False, verify=trusted(urls[0])
    ) as client:
        for url in urls:
            try:
                text = (await client.get(url)).raise_for_status().text
                families = list(text_string_to_metric_families(text))
            except (httpx2.HTTPError, ValueError) as error:
                raise Unavailable(f"{url} offers no metrics: {error!r}") from error
            for sample in (each for family in families for each in family.samples):
                if sample.labels.get("service") != service:
                    continue
                if sample.name == f"{CALLS}_total":
                    one = Tally(round(sample.value))
                elif sample.name == f"{BAD}_total":
                    one = Tally(0, {sample.labels["way"]: round(sample.value)})
                else:
                    continue
                version = sample.labels["version"]
                found[version] = found.get(version, Tally()) + one
    return found
