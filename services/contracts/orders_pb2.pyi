from google.api import annotations_pb2 as _annotations_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OrderStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ORDER_STATUS_UNSPECIFIED: _ClassVar[OrderStatus]
    ORDER_STATUS_PENDING: _ClassVar[OrderStatus]
    ORDER_STATUS_CONFIRMED: _ClassVar[OrderStatus]
    ORDER_STATUS_CANCELLED: _ClassVar[OrderStatus]

class Coordination(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COORDINATION_UNSPECIFIED: _ClassVar[Coordination]
    COORDINATION_RESERVE_ONLY: _ClassVar[Coordination]
    COORDINATION_ORCHESTRATION: _ClassVar[Coordination]
    COORDINATION_CHOREOGRAPHY: _ClassVar[Coordination]
    COORDINATION_TCC: _ClassVar[Coordination]
ORDER_STATUS_UNSPECIFIED: OrderStatus
ORDER_STATUS_PENDING: OrderStatus
ORDER_STATUS_CONFIRMED: OrderStatus
ORDER_STATUS_CANCELLED: OrderStatus
COORDINATION_UNSPECIFIED: Coordination
COORDINATION_RESERVE_ONLY: Coordination
COORDINATION_ORCHESTRATION: Coordination
COORDINATION_CHOREOGRAPHY: Coordination
COORDINATION_TCC: Coordination

class PlaceOrderRequest(_message.Message):
    __slots__ = ("user_id", "sku", "quantity", "coordination")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SKU_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    COORDINATION_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    sku: str
    quantity: int
    coordination: Coordination
    def __init__(self, user_id: _Optional[str] = ..., sku: _Optional[str] = ..., quantity: _Optional[int] = ..., coordination: _Optional[_Union[Coordination, str]] = ...) -> None: ...

class GetOrderRequest(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class Order(_message.Message):
    __slots__ = ("order_id", "user_id", "sku", "quantity", "status", "total_cents", "created_at", "coordination", "error_code", "error_message")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    SKU_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    TOTAL_CENTS_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    COORDINATION_FIELD_NUMBER: _ClassVar[int]
    ERROR_CODE_FIELD_NUMBER: _ClassVar[int]
    ERROR_MESSAGE_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    user_id: str
    sku: str
    quantity: int
    status: OrderStatus
    total_cents: int
    created_at: str
    coordination: Coordination
    error_code: int
    error_message: str
    def __init__(self, order_id: _Optional[str] = ..., user_id: _Optional[str] = ..., sku: _Optional[str] = ..., quantity: _Optional[int] = ..., status: _Optional[_Union[OrderStatus, str]] = ..., total_cents: _Optional[int] = ..., created_at: _Optional[str] = ..., coordination: _Optional[_Union[Coordination, str]] = ..., error_code: _Optional[int] = ..., error_message: _Optional[str] = ...) -> None: ...
