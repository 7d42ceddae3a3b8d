import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class AccountKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCOUNT_KIND_UNSPECIFIED: _ClassVar[AccountKind]
    ACCOUNT_KIND_CUSTOMER: _ClassVar[AccountKind]
    ACCOUNT_KIND_SETTLEMENT: _ClassVar[AccountKind]
    ACCOUNT_KIND_SUSPENSE: _ClassVar[AccountKind]
    ACCOUNT_KIND_POSITION: _ClassVar[AccountKind]
    ACCOUNT_KIND_INCOME: _ClassVar[AccountKind]
    ACCOUNT_KIND_EXPENSE: _ClassVar[AccountKind]
    ACCOUNT_KIND_EQUITY: _ClassVar[AccountKind]

class AccountStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ACCOUNT_STATUS_UNSPECIFIED: _ClassVar[AccountStatus]
    ACCOUNT_STATUS_OPEN: _ClassVar[AccountStatus]
    ACCOUNT_STATUS_FROZEN_DEBITS: _ClassVar[AccountStatus]
    ACCOUNT_STATUS_FROZEN_ALL: _ClassVar[AccountStatus]
    ACCOUNT_STATUS_CLOSED: _ClassVar[AccountStatus]

class FreezeScope(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FREEZE_SCOPE_UNSPECIFIED: _ClassVar[FreezeScope]
    FREEZE_SCOPE_DEBITS: _ClassVar[FreezeScope]
    FREEZE_SCOPE_ALL: _ClassVar[FreezeScope]
ACCOUNT_KIND_UNSPECIFIED: AccountKind
ACCOUNT_KIND_CUSTOMER: AccountKind
ACCOUNT_KIND_SETTLEMENT: AccountKind
ACCOUNT_KIND_SUSPENSE: AccountKind
ACCOUNT_KIND_POSITION: AccountKind
ACCOUNT_KIND_INCOME: AccountKind
ACCOUNT_KIND_EXPENSE: AccountKind
ACCOUNT_KIND_EQUITY: AccountKind
ACCOUNT_STATUS_UNSPECIFIED: AccountStatus
ACCOUNT_STATUS_OPEN: AccountStatus
ACCOUNT_STATUS_FROZEN_DEBITS: AccountStatus
ACCOUNT_STATUS_FROZEN_ALL: AccountStatus
ACCOUNT_STATUS_CLOSED: AccountStatus
FREEZE_SCOPE_UNSPECIFIED: FreezeScope
FREEZE_SCOPE_DEBITS: FreezeScope
FREEZE_SCOPE_ALL: FreezeScope

class Balances(_message.Message):
    __slots__ = ("version", "booked", "held", "available")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BOOKED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    version: int
    booked: int
    held: int
    available: int
    def __init__(self, version: _Optional[int] = ..., booked: _Optional[int] = ..., held: _Optional[int] = ..., available: _Optional[int] = ...) -> None: ...

class OpenAccountRequest(_message.Message):
    __slots__ = ("currency", "idempotency_key", "id", "kind", "overdraft_limit", "external_id", "metadata", "opened_on", "dry_run")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    OPENED_ON_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    currency: str
    idempotency_key: str
    id: str
    kind: AccountKind
    overdraft_limit: int
    external_id: str
    metadata: _containers.ScalarMap[str, str]
    opened_on: str
    dry_run: bool
    def __init__(self, currency: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., id: _Optional[str] = ..., kind: _Optional[_Union[AccountKind, str]] = ..., overdraft_limit: _Optional[int] = ..., external_id: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., opened_on: _Optional[str] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class OpenAccountResponse(_message.Message):
    __slots__ = ("id", "currency", "kind", "status", "overdraft_limit", "external_id", "metadata", "opened_at", "opened_on", "version", "booked", "held", "available", "position", "accounts")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class AccountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Balances
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Balances, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_LIMIT_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    OPENED_ON_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    BOOKED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    id: str
    currency: str
    kind: AccountKind
    status: AccountStatus
    overdraft_limit: int
    external_id: str
    metadata: _containers.ScalarMap[str, str]
    opened_at: _timestamp_pb2.Timestamp
    opened_on: str
    version: int
    booked: int
    held: int
    available: int
    position: int
    accounts: _containers.MessageMap[str, Balances]
    def __init__(self, id: _Optional[str] = ..., currency: _Optional[str] = ..., kind: _Optional[_Union[AccountKind, str]] = ..., status: _Optional[_Union[AccountStatus, str]] = ..., overdraft_limit: _Optional[int] = ..., external_id: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., opened_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., opened_on: _Optional[str] = ..., version: _Optional[int] = ..., booked: _Optional[int] = ..., held: _Optional[int] = ..., available: _Optional[int] = ..., position: _Optional[int] = ..., accounts: _Optional[_Mapping[str, Balances]] = ...) -> None: ...

class TransferFundsRequest(_message.Message):
    __slots__ = ("to", "amount", "currency", "idempotency_key", "id", "description", "value_date", "metadata", "expected_versions", "external_id", "dry_run")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class ExpectedVersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    VALUE_DATE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    to: str
    amount: int
    currency: str
    idempotency_key: str
    id: str
    description: str
    value_date: str
    metadata: _containers.ScalarMap[str, str]
    expected_versions: _containers.ScalarMap[str, int]
    external_id: str
    dry_run: bool
    def __init__(self, to: _Optional[str] = ..., amount: _Optional[int] = ..., currency: _Optional[str] = ..., idempotency_key: _Optional[str] = ..., id: _Optional[str] = ..., description: _Optional[str] = ..., value_date: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., expected_versions: _Optional[_Mapping[str, int]] = ..., external_id: _Optional[str] = ..., dry_run: _Optional[bool] = ..., **kwargs) -> None: ...

class TransferFundsResponse(_message.Message):
    __slots__ = ("id", "position", "recorded_at", "value_date", "to", "amount", "currency", "description", "metadata", "reverses", "accounts", "external_id")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    class AccountsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Balances
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Balances, _Mapping]] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    VALUE_DATE_FIELD_NUMBER: _ClassVar[int]
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    REVERSES_FIELD_NUMBER: _ClassVar[int]
    ACCOUNTS_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    position: int
    recorded_at: _timestamp_pb2.Timestamp
    value_date: str
    to: str
    amount: int
    currency: str
    description: str
    metadata: _containers.ScalarMap[str, str]
    reverses: str
    accounts: _containers.MessageMap[str, Balances]
    external_id: str
    def __init__(self, id: _Optional[str] = ..., position: _Optional[int] = ..., recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., value_date: _Optional[str] = ..., to: _Optional[str] = ..., amount: _Optional[int] = ..., currency: _Optional[str] = ..., description: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., reverses: _Optional[str] = ..., accounts: _Optional[_Mapping[str, Balances]] = ..., external_id: _Optional[str] = ..., **kwargs) -> None: ...

class GetBalanceRequest(_message.Message):
    __slots__ = ("account_id",)
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    def __init__(self, account_id: _Optional[str] = ...) -> None: ...

class GetBalanceResponse(_message.Message):
    __slots__ = ("account_id", "currency", "booked", "held", "available", "version", "as_of", "status")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    BOOKED_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    AS_OF_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    currency: str
    booked: int
    held: int
    available: int
    version: int
    as_of: _timestamp_pb2.Timestamp
    status: AccountStatus
    def __init__(self, account_id: _Optional[str] = ..., currency: _Optional[str] = ..., booked: _Optional[int] = ..., held: _Optional[int] = ..., available: _Optional[int] = ..., version: _Optional[int] = ..., as_of: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., status: _Optional[_Union[AccountStatus, str]] = ...) -> None: ...

class StreamEventsRequest(_message.Message):
    __slots__ = ("account_id", "after_version", "until_now")
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    AFTER_VERSION_FIELD_NUMBER: _ClassVar[int]
    UNTIL_NOW_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    after_version: int
    until_now: bool
    def __init__(self, account_id: _Optional[str] = ..., after_version: _Optional[int] = ..., until_now: _Optional[bool] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("account_id", "version", "event_id", "position", "recorded_at", "value_date", "principal", "correlation_id", "causation_id", "schema_version", "currency", "metadata", "description", "booked_after", "held_after", "available_after", "overdraft_limit_after", "status_after", "account_opened", "money_withdrawn", "money_deposited", "hold_placed", "hold_captured", "hold_voided", "hold_expired", "overdraft_limit_set", "account_frozen", "account_unfrozen", "account_closed", "account_annotated", "body", "hash")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ACCOUNT_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    VALUE_DATE_FIELD_NUMBER: _ClassVar[int]
    PRINCIPAL_FIELD_NUMBER: _ClassVar[int]
    CORRELATION_ID_FIELD_NUMBER: _ClassVar[int]
    CAUSATION_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    BOOKED_AFTER_FIELD_NUMBER: _ClassVar[int]
    HELD_AFTER_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_AFTER_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_LIMIT_AFTER_FIELD_NUMBER: _ClassVar[int]
    STATUS_AFTER_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_OPENED_FIELD_NUMBER: _ClassVar[int]
    MONEY_WITHDRAWN_FIELD_NUMBER: _ClassVar[int]
    MONEY_DEPOSITED_FIELD_NUMBER: _ClassVar[int]
    HOLD_PLACED_FIELD_NUMBER: _ClassVar[int]
    HOLD_CAPTURED_FIELD_NUMBER: _ClassVar[int]
    HOLD_VOIDED_FIELD_NUMBER: _ClassVar[int]
    HOLD_EXPIRED_FIELD_NUMBER: _ClassVar[int]
    OVERDRAFT_LIMIT_SET_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_FROZEN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_UNFROZEN_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_CLOSED_FIELD_NUMBER: _ClassVar[int]
    ACCOUNT_ANNOTATED_FIELD_NUMBER: _ClassVar[int]
    BODY_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    account_id: str
    version: int
    event_id: str
    position: int
    recorded_at: _timestamp_pb2.Timestamp
    value_date: str
    principal: str
    correlation_id: str
    causation_id: str
    schema_version: int
    currency: str
    metadata: _containers.ScalarMap[str, str]
    description: str
    booked_after: int
    held_after: int
    available_after: int
    overdraft_limit_after: int
    status_after: AccountStatus
    account_opened: AccountOpened
    money_withdrawn: MoneyMoved
    money_deposited: MoneyMoved
    hold_placed: HoldPlaced
    hold_captured: HoldCaptured
    hold_voided: HoldEnded
    hold_expired: HoldEnded
    overdraft_limit_set: OverdraftLimitSet
    account_frozen: AccountFrozen
    account_unfrozen: AccountUnfrozen
    account_closed: AccountClosed
    account_annotated: AccountAnnotated
    body: bytes
    hash: bytes
    def __init__(self, account_id: _Optional[str] = ..., version: _Optional[int] = ..., event_id: _Optional[str] = ..., position: _Optional[int] = ..., recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., value_date: _Optional[str] = ..., principal: _Optional[str] = ..., correlation_id: _Optional[str] = ..., causation_id: _Optional[str] = ..., schema_version: _Optional[int] = ..., currency: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., description: _Optional[str] = ..., booked_after: _Optional[int] = ..., held_after: _Optional[int] = ..., available_after: _Optional[int] = ..., overdraft_limit_after: _Optional[int] = ..., status_after: _Optional[_Union[AccountStatus, str]] = ..., account_opened: _Optional[_Union[AccountOpened, _Mapping]] = ..., money_withdrawn: _Optional[_Union[MoneyMoved, _Mapping]] = ..., money_deposited: _Optional[_Union[MoneyMoved, _Mapping]] = ..., hold_placed: _Optional[_Union[HoldPlaced, _Mapping]] = ..., hold_captured: _Optional[_Union[HoldCaptured, _Mapping]] = ..., hold_voided: _Optional[_Union[HoldEnded, _Mapping]] = ..., hold_expired: _Optional[_Union[HoldEnded, _Mapping]] = ..., overdraft_limit_set: _Optional[_Union[OverdraftLimitSet, _Mapping]] = ..., account_frozen: _Optional[_Union[AccountFrozen, _Mapping]] = ..., account_unfrozen: _Optional[_Union[AccountUnfrozen, _Mapping]] = ..., account_closed: _Optional[_Union[AccountClosed, _Mapping]] = ..., account_annotated: _Optional[_Union[AccountAnnotated, _Mapping]] = ..., body: _Optional[bytes] = ..., hash: _Optional[bytes] = ...) -> None: ...

class AccountOpened(_message.Message):
    __slots__ = ("kind", "external_id")
    KIND_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    kind: AccountKind
    external_id: str
    def __init__(self, kind: _Optional[_Union[AccountKind, str]] = ..., external_id: _Optional[str] = ...) -> None: ...

class MoneyMoved(_message.Message):
    __slots__ = ("transfer_id", "leg", "legs", "amount", "counterparty", "reverses_transfer_id", "external_id")
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    LEG_FIELD_NUMBER: _ClassVar[int]
    LEGS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    COUNTERPARTY_FIELD_NUMBER: _ClassVar[int]
    REVERSES_TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    EXTERNAL_ID_FIELD_NUMBER: _ClassVar[int]
    transfer_id: str
    leg: int
    legs: int
    amount: int
    counterparty: str
    reverses_transfer_id: str
    external_id: str
    def __init__(self, transfer_id: _Optional[str] = ..., leg: _Optional[int] = ..., legs: _Optional[int] = ..., amount: _Optional[int] = ..., counterparty: _Optional[str] = ..., reverses_transfer_id: _Optional[str] = ..., external_id: _Optional[str] = ...) -> None: ...

class HoldPlaced(_message.Message):
    __slots__ = ("hold_id", "hold_amount", "expires_at", "open_holds_after")
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    HOLD_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    OPEN_HOLDS_AFTER_FIELD_NUMBER: _ClassVar[int]
    hold_id: str
    hold_amount: int
    expires_at: _timestamp_pb2.Timestamp
    open_holds_after: int
    def __init__(self, hold_id: _Optional[str] = ..., hold_amount: _Optional[int] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., open_holds_after: _Optional[int] = ...) -> None: ...

class HoldCaptured(_message.Message):
    __slots__ = ("hold_id", "hold_amount", "captured_amount", "transfer_id", "destination", "open_holds_after")
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    HOLD_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    CAPTURED_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    TRANSFER_ID_FIELD_NUMBER: _ClassVar[int]
    DESTINATION_FIELD_NUMBER: _ClassVar[int]
    OPEN_HOLDS_AFTER_FIELD_NUMBER: _ClassVar[int]
    hold_id: str
    hold_amount: int
    captured_amount: int
    transfer_id: str
    destination: str
    open_holds_after: int
    def __init__(self, hold_id: _Optional[str] = ..., hold_amount: _Optional[int] = ..., captured_amount: _Optional[int] = ..., transfer_id: _Optional[str] = ..., destination: _Optional[str] = ..., open_holds_after: _Optional[int] = ...) -> None: ...

class HoldEnded(_message.Message):
    __slots__ = ("hold_id", "hold_amount", "open_holds_after")
    HOLD_ID_FIELD_NUMBER: _ClassVar[int]
    HOLD_AMOUNT_FIELD_NUMBER: _ClassVar[int]
    OPEN_HOLDS_AFTER_FIELD_NUMBER: _ClassVar[int]
    hold_id: str
    hold_amount: int
    open_holds_after: int
    def __init__(self, hold_id: _Optional[str] = ..., hold_amount: _Optional[int] = ..., open_holds_after: _Optional[int] = ...) -> None: ...

class OverdraftLimitSet(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AccountFrozen(_message.Message):
    __slots__ = ("scope",)
    SCOPE_FIELD_NUMBER: _ClassVar[int]
    scope: FreezeScope
    def __init__(self, scope: _Optional[_Union[FreezeScope, str]] = ...) -> None: ...

class AccountUnfrozen(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AccountClosed(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AccountAnnotated(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
