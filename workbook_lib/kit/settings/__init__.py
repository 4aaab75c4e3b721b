"""A service's settings in layers, each over the one before it, with each value's origin kept.

    defaults                   declared with the field
    --config FILE              the same in every environment
    config_dir/<environment>   what differs between dev, staging and prod, and is no secret
    environment variables      USERS_PORT of one service; some, such as CONSUL_HTTP_ADDR, of all
    Consul's KV                under config_prefix, where that is set; chapter 2.4
    the command line           --port 8081

Each field is documented where it is declared and nowhere else; `--help` and `explain` read it from there. A
service's own variable (USERS_DATABASE_URL) wins over the one that all share (DATABASE_URL). `${NAME}` in a
value that counts is replaced at start by Consul's entry NAME or the environment's variable NAME.
"""

from workbook_lib.kit.settings.given import SettingsError
from workbook_lib.kit.settings.loading import Origin, explain, load
from workbook_lib.kit.settings.model import ServiceSettings, WithDatabase, WithKafka, WithRedis

__all__ = [
    "Origin",
    "ServiceSettings",
    "SettingsError",
    "WithDatabase",
    "WithKafka",
    "WithRedis",
    "explain",
    "load",
]
