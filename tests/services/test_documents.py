"""Every service does what its OpenAPI document says, whatever it is sent.

No 5xx; statuses, content types and bodies as documented; what doesn't fit the document is refused.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest

import services
from services.analytics import app as analytics
from services.analytics.settings import AnalyticsSettings
from services.atomic_orders import app as atomic_orders
from services.atomic_orders.settings import AtomicOrdersSettings
from services.audit_log import app as audit_log
from services.audit_log.settings import AuditLogSettings
from services.chatbot import app as chatbot
from services.chatbot.conversation import Clients as ChatClients
from services.chatbot.settings import ChatbotSettings
from services.contracts import inventory_pb2, nlp_pb2, orders_pb2, users_pb2
from services.gateway import app as gateway
from services.gateway.activity import Listeners
from services.gateway.settings import GatewaySettings
from services.inventory import app as inventory
from services.inventory.settings import InventorySettings
from services.monolith import app as monolith
from services.monolith.settings import MonolithSettings
from services.nlp_model import app as nlp_model
from services.nlp_model.settings import NlpModelSettings
from services.oncall import app as oncall
from services.oncall.settings import OncallSettings
from services.orders import app as orders
from services.orders.settings import OrdersSettings
from services.payments import app as payments
from services.payments.settings import PaymentsSettings
from services.products import app as products
from services.products.settings import ProductsSettings
from services.rates import app as rates
from services.rates.settings import RatesSettings
from services.recommendations import app as recommendations
from services.recommendations.settings import RecommendationsSettings
from services.reports import app as reports
from services.reports.settings import ReportsSettings
from services.users import app as users
from services.users.settings import UsersSettings
from services.welcome.app import WelcomeSettings
from services.welcome.app import build as build_welcome
from tests.services.fakes import InProcess, PlacedOrders, SameAnswers, Silent
from tests.services.fuzzing import NOTHING, Fuzzed, Known, fuzz_app, fuzz_url
from workbook_lib.kit.errors import NotFound
from workbook_lib.kit.http import HttpClient
from workbook_lib.kit.service import Service
from workbook_lib.lab import Lab

ORDER = orders_pb2.Order(
    order_id="o1", user_id="user123", sku="mouse", quantity=1, status=orders_pb2.ORDER_STATUS_CONFIRMED
)
ORDERS = SameAnswers(GetOrder=NotFound("no such order"), PlaceOrder=ORDER)
STOCK = inventory_pb2.StockResponse(sku="mouse", name="Wireless mouse", available=1, unit_price_cents=3450)


def _users(tmp: Path, redis_url: str) -> Service:
    settings = UsersSettings(database_url=f"sqlite:///{tmp}/users.db", redis_url=redis_url, grpc_port=None)
    return users.build(settings, users.Clients(PlacedOrders(), HttpClient("http://127.0.0.1:1")))


def _products(tmp: Path, _redis_url: str) -> Service:
    return products.build(ProductsSettings(database_url=f"sqlite:///{tmp}/products.db"))


def _orders(tmp: Path, _redis_url: str) -> Service:
    settings = OrdersSettings(database_url=f"sqlite:///{tmp}/orders.db", grpc_port=None)
    return orders.build(settings, orders.Clients(SameAnswers(), SameAnswers()))


def _chatbot(*_: object) -> Service:
    answer = nlp_pb2.AnswerResponse(found=True, intent="jobs", entry_id="jobs", score=0.8, model_version="v1")
    clients = ChatClients(
        SameAnswers(Answer=answer), SameAnswers(GetUser=users_pb2.UserResponse(name="Ann Lee"))
    )
    return chatbot.build(ChatbotSettings(), clients)


def _gateway(tmp: Path, redis_url: str) -> Service:
    clients = gateway.Clients(
        InProcess(_users(tmp, redis_url)),
        ORDERS,
        SameAnswers(GetStock=STOCK, Reserve=inventory_pb2.ReserveResponse(unit_price_cents=3450)),
        InProcess(_products(tmp, redis_url)),
    )
    settings = GatewaySettings(upload_folder=tmp / "uploads", redis_url=redis_url)
    return gateway.build(settings, clients, Listeners({}, Silent()), InProcess(_chatbot()))


APPS: dict[str, Callable[[Path, str], Service]] = {
    "analytics": lambda tmp, _: analytics.build(
        AnalyticsSettings(database_url=f"sqlite:///{tmp}/analytics.db")
    ),
    "atomic_orders": lambda _, __: atomic_orders.build(AtomicOrdersSettings(grpc_port=None)),
    "audit_log": lambda tmp, _: audit_log.build(AuditLogSettings(database_url=f"sqlite:///{tmp}/audit.db")),
    "chatbot": _chatbot,
    "gateway": _gateway,
    "inventory": lambda tmp, _: inventory.build(
        InventorySettings(database_url=f"sqlite:///{tmp}/inventory.db", grpc_port=None)
    ),
    "monolith": lambda tmp, _: monolith.build(
        MonolithSettings(database_url=f"sqlite:///{tmp}/shop.db"), HttpClient("http://127.0.0.1:1")
    ),
    "nlp_model": lambda tmp, _: nlp_model.build(NlpModelSettings(index_folder=tmp, grpc_port=None)),
    "oncall": lambda *_: oncall.build(OncallSettings()),
    "orders": _orders,
    "payments": lambda tmp, _: payments.build(
        PaymentsSettings(database_url=f"sqlite:///{tmp}/payments.db", grpc_port=None)
    ),
    "products": _products,
    "rates": lambda *_: rates.build(RatesSettings()),
    "recommendations": lambda tmp, _: recommendations.build(
        RecommendationsSettings(database_url=f"sqlite:///{tmp}/recommendations.db")
    ),
    "reports": lambda tmp, _: reports.build(ReportsSettings(folder=tmp / "reports", rows=10)),
    "users": _users,
    "welcome": lambda *_: build_welcome(WelcomeSettings()),
}


KNOWN = {
    "analytics": Known(stricter=["POST /events"]),  # a time that only a wrong clock can tell
    "audit_log": Known(stricter=["POST /events"]),  # the calendar's first day, east of Greenwich
    "recommendations": Known(stricter=["POST /events"]),  # a view of nothing
    "gateway": Known(
        stricter=[
            # What it passes on is any JSON here; its rules are the service's behind it.
            *("POST /accounts", "GET /users", "POST /users", "POST /users/{user_id}/orders"),
            *("GET /api/v1/products", "GET /api/v2/products", "GET /api/products"),
            "POST /uploads",  # judged by content
            "POST /chat",
        ],
        # Protobuf's JSON mapping takes null for any default, and a number in a text.
        liberal=["POST /v1/users/{user_id}/orders"],
    ),
    # A cursor of this list; and how much one order may take is the orders' rule.
    "monolith": Known(stricter=["GET /products", "POST /users/{user_id}/orders"]),
    "products": Known(stricter=["GET /products"]),  # a cursor has to be one of this list, in this order
    "users": Known(stricter=["POST /accounts"]),  # a password that is easy to guess
}


def test_no_service_is_left_out():
    folders = {path.parent.name for path in Path(services.__file__).parent.glob("*/service.toml")}
    assert APPS.keys() == folders


@pytest.fixture
def silent_kafka(monkeypatch):
    """The routes are fuzzed, not the messages."""
    for module in (analytics, audit_log, recommendations):
        monkeypatch.setattr(module, "Consumer", Silent)
        monkeypatch.setattr(module, "Topics", Silent)


def check(fuzzed: Fuzzed, document: dict) -> None:
    """No failure, and no operation that was left out."""
    assert fuzzed.failures == {}
    operations = {f"{method.upper()} {path}" for path, each in document["paths"].items() for method in each}
    assert fuzzed.cases.keys() == operations
    assert min(fuzzed.cases.values()) >= 5, fuzzed.cases


# Hypothesis minds that `random` is used while it draws: the services in this process take trace ids from it.
@pytest.mark.filterwarnings("ignore:Do not use the .random. module")
@pytest.mark.server
@pytest.mark.usefixtures("silent_kafka", "patience")
@pytest.mark.parametrize("name", APPS)
def test_a_service_answers_as_its_document_says(name, tmp_path, redis_url, request, monkeypatch):
    if name == "atomic_orders":
        monkeypatch.setenv("POSTGRES_URL", request.getfixturevalue("postgres_url"))
    app = APPS[name](tmp_path, redis_url).app
    check(fuzz_app(app, KNOWN.get(name, NOTHING)), app.openapi())


async def test_a_service_as_a_process_answers_as_its_document_says(tmp_path):
    """The server in front of the app has a say, too: on methods, headers and bodies that it lets through."""
    async with Lab("documents-test", root=tmp_path) as lab:
        await lab.start("products")
        url = lab["products"].url
        document = httpx2.get(f"{url}/openapi.json", trust_env=False).json()
        fuzzed = await asyncio.to_thread(fuzz_url, url, KNOWN["products"])
    check(fuzzed, document)
