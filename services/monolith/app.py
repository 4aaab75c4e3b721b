"""The shop in one process, wired together: the rules are the services' own, calls between them aren't calls.

The one place where the rules of several services meet: it imports their `domain`, and nothing else of theirs.
The edge (errors, metrics, traces, logs) is the kit's, as everywhere.
"""

from services.contracts import names
from services.monolith.catalogue import Catalogue
from services.monolith.order_routes import order_routes, stock_routes
from services.monolith.placing import OrderDesk
from services.monolith.product_routes import product_reading, product_writing
from services.monolith.settings import MonolithSettings
from services.monolith.store import ShopStore
from services.monolith.tables import OUTBOX, Base, Seed
from services.monolith.user_routes import Suggestions, user_routes
from workbook_lib.kit.breaker import Breakers
from workbook_lib.kit.discovery import Directory
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.service import Service
from workbook_lib.kit.storage import Database

__all__ = ["build"]


def build(settings: MonolithSettings, recommendations: HttpClient | None = None) -> Service:
    """The shop, not started."""
    service = Service(settings, title="Shop in one process")
    database = Database(settings.database_url, metadata=Base.metadata)
    service.add_resource(database)
    seed = Seed(
        database, users=settings.users_file, stock=settings.stock_file, products=settings.products_file
    )
    service.add_resource(seed)
    suggestions = _suggestions(service, settings, recommendations)
    service.add_resource(suggestions)
    store, catalogue = ShopStore(database), Catalogue(database)
    service.app.include_router(user_routes(store, suggestions))
    service.app.include_router(order_routes(OrderDesk(database, store), store))
    service.app.include_router(stock_routes(store))
    service.app.include_router(product_reading(catalogue))
    service.app.include_router(product_writing(catalogue))
    if settings.kafka_bootstrap_servers is not None:
        _publish(service, settings.kafka_bootstrap_servers, database)
    return service


def _suggestions(
    service: Service, settings: MonolithSettings, recommendations: HttpClient | None
) -> Suggestions:
    """Recommendations stay a service of their own, and so does what they need: a breaker."""
    if recommendations is None:
        directory = Directory(settings.consul_http_addr, token=settings.consul_token)
        service.add_resource(directory)
        where = directory.find(names.RECOMMENDATIONS, settings.recommendations_url)
        recommendations = HttpClient(where, timeout_seconds=settings.recommendations_timeout_seconds)
    breakers = Breakers(settings.breaker)
    service.add_breakers(breakers)
    return Suggestions(recommendations, breakers.of(names.RECOMMENDATIONS))


def _publish(service: Service, kafka: str, database: Database) -> None:
    # Imported where it is needed: a shop without Kafka starts sooner and smaller.
    from workbook_lib.kit.messaging import OutboxRelay, Producer

    instance = service.settings.instance
    producer = Producer(kafka, client_id=f"{instance}-outbox")
    service.add_worker("outbox", OutboxRelay(database, OUTBOX, producer, owner=instance).run)
