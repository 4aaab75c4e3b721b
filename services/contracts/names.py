"""The names under which services register in Consul and appear in traces."""

from typing import Final

__all__ = [
    "ANALYTICS",
    "ATOMIC_ORDERS",
    "AUDIT_LOG",
    "CHATBOT",
    "GATEWAY",
    "INVENTORY",
    "MONOLITH",
    "NLP_MODEL",
    "ONCALL",
    "ORDERS",
    "PAYMENTS",
    "PRODUCTS",
    "RATES",
    "RECOMMENDATIONS",
    "REPORTS",
    "SHOP",
    "USERS",
    "WELCOME",
]

WELCOME: Final = "welcome"
GATEWAY: Final = "gateway"
USERS: Final = "user-service"
ORDERS: Final = "order-service"
INVENTORY: Final = "inventory-service"
PAYMENTS: Final = "payment-service"
AUDIT_LOG: Final = "audit-log"
REPORTS: Final = "reports"
PRODUCTS: Final = "product-service"
SHOP: Final = "shop"
ONCALL: Final = "oncall"
RECOMMENDATIONS: Final = "recommendations"
ANALYTICS: Final = "analytics"
ATOMIC_ORDERS: Final = "atomic-orders"
RATES: Final = "rates"
MONOLITH: Final = "monolith"
NLP_MODEL: Final = "nlp-model"
CHATBOT: Final = "chatbot"
