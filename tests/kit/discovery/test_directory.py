"""A directory finds a service in Consul where there is one, else at its fixed address."""

import pytest

from workbook_lib.kit.consul import Consul, Registration
from workbook_lib.kit.discovery import Directory, NoInstances
from workbook_lib.lab import evidence


async def test_without_consul_the_fixed_address_counts():
    directory = Directory(None)
    instances = directory.find("user-service", "http://127.0.0.1:8081")
    await directory.start()
    assert (instances.next().url, instances.next().service) == ("http://127.0.0.1:8081", "user-service")
    await directory.stop()


@pytest.mark.server
async def test_with_consul_only_what_it_knows_counts(consul_url):
    directory = Directory(consul_url)
    here = directory.find("directory-here", "http://127.0.0.1:1")
    nowhere = directory.find("directory-nowhere", "http://127.0.0.1:1")
    async with Consul(consul_url, timeout_seconds=20) as consul:
        await consul.register(Registration(id="h1", service="directory-here", address="127.0.0.1", port=9001))
        await directory.start()
        await evidence.eventually(lambda: here.instances)
        assert here.next().url == "http://127.0.0.1:9001"
        with pytest.raises(NoInstances):
            nowhere.next()
        await directory.stop()
        await consul.deregister("h1")
