"""Shapes of the requests of verbs on one account, which the path names."""

from __future__ import annotations

from chronos.domain.account import FreezeScope
from chronos.domain.commands import (
    AnnotateAccount,
    CloseAccount,
    FreezeAccount,
    SetOverdraftLimit,
    UnfreezeAccount,
)
from chronos.domain.ids import AccountId
from chronos.wire.bodies import CommandBody
from chronos.wire.terms import Asked, Description, Limit, Metadata


class OverdraftLimitBody(CommandBody, frozen=True, kw_only=True):
    """The body of `POST /v1/accounts/{id}/overdraft-limit`; null is the kind's default."""

    overdraft_limit: Limit | None
    description: Description | None = None

    def command(self, asked: Asked) -> SetOverdraftLimit:
        """Gives the command that the body asks for."""
        return SetOverdraftLimit(
            account_id=AccountId(asked.subject),
            overdraft_limit=self.overdraft_limit,
            description=self.description,
            expected_version=asked.expected_version,
        )


class FreezeBody(CommandBody, frozen=True, kw_only=True):
    """The body of `POST /v1/accounts/{id}/freeze`; may be left out."""

    scope: FreezeScope = FreezeScope.ALL
    description: Description | None = None

    def command(self, asked: Asked) -> FreezeAccount:
        """Gives the command that the body asks for."""
        return FreezeAccount(
            account_id=AccountId(asked.subject),
            scope=self.scope,
            description=self.description,
            expected_version=asked.expected_version,
        )


class UnfreezeBody(CommandBody, frozen=True, kw_only=True):
    """The body of `POST /v1/accounts/{id}/unfreeze`; may be left out."""

    description: Description | None = None

    def command(self, asked: Asked) -> UnfreezeAccount:
        """Gives the command that the body asks for."""
        return UnfreezeAccount(
            account_id=AccountId(asked.subject),
            description=self.description,
            expected_version=asked.expected_version,
        )


class CloseBody(CommandBody, frozen=True, kw_only=True):
    """The body of `POST /v1/accounts/{id}/close`; may be left out."""

    description: Description | None = None

    def command(self, asked: Asked) -> CloseAccount:
        """Gives the command that the body asks for."""
        return CloseAccount(
            account_id=AccountId(asked.subject),
            description=self.description,
            expected_version=asked.expected_version,
        )


class MetadataBody(CommandBody, frozen=True, kw_only=True):
    """The body of `POST /v1/accounts/{id}/metadata`: all of it, in place of what there is."""

    metadata: Metadata
    description: Description | None = None

    def command(self, asked: Asked) -> AnnotateAccount:
        """Gives the command that the body asks for."""
        return AnnotateAccount(
            account_id=AccountId(asked.subject),
            metadata=self.metadata,
            description=self.description,
            expected_version=asked.expected_version,
        )
