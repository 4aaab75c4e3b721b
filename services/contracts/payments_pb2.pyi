from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class AccountRequest(_message.Message):
    __slots__ = ("user_id",)
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    def __init__(self, user_id: _Optional[str] = ...) -> None: ...

class AccountResponse(_message.Message):
    __slots__ = ("user_id", "balance_cents")
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    BALANCE_CENTS_FIELD_NUMBER: _ClassVar[int]
    user_id: str
    balance_cents: int
    def __init__(self, user_id: _Optional[str] = ..., balance_cents: _Optional[int] = ...) -> None: ...

class ChargeRequest(_message.Message):
    __slots__ = ("order_id", "user_id", "amount_cents")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_CENTS_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    user_id: str
    amount_cents: int
    def __init__(self, order_id: _Optional[str] = ..., user_id: _Optional[str] = ..., amount_cents: _Optional[int] = ...) -> None: ...

class ChargeResponse(_message.Message):
    __slots__ = ("balance_cents",)
    BALANCE_CENTS_FIELD_NUMBER: _ClassVar[int]
    balance_cents: int
    def __init__(self, balance_cents: _Optional[int] = ...) -> None: ...

class RefundRequest(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class RefundResponse(_message.Message):
    __slots__ = ("amount_cents",)
    AMOUNT_CENTS_FIELD_NUMBER: _ClassVar[int]
    amount_cents: int
    def __init__(self, amount_cents: _Optional[int] = ...) -> None: ...

class ConfirmChargeRequest(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class ConfirmChargeResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class CancelChargeRequest(_message.Message):
    __slots__ = ("order_id",)
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    def __init__(self, order_id: _Optional[str] = ...) -> None: ...

class CancelChargeResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
