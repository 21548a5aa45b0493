"""Endpoints as admins see them: registered, changed, disabled, deleted, each with an entry in the audit trail."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from groundline.commands.v1 import audit_service_pb2 as pb
from meshkit.errors import EtagMismatch, RequestIdReused
from meshkit.ids import new_id
from meshkit.paging import decode_token, encode_token
from meshkit.postgres import Connection, Database
from svc_workers import audit
from svc_workers.webhooks import store
from svc_workers.webhooks.addresses import url_problem
from svc_workers.webhooks.errors import EndpointNotFound, TooManyEndpoints, UrlNotAllowed
from svc_workers.webhooks.sealing import Seal, SecretUnreadable, new_secret

MAX_ENDPOINTS = 100


class Endpoints:
    """Who is told of what."""

    def __init__(self, database: Database, seal: Seal, *, allow_private: bool) -> None:
        self._db = database
        self._seal = seal
        self._allow_private = allow_private

    async def create(
        self, url: str, event_types: Sequence[str], description: str, request: store.Request | None
    ) -> tuple[store.Endpoint, str]:
        """Registers an endpoint, once by `request`; returns it with its secret.

        Raises UrlNotAllowed, TooManyEndpoints, RequestIdReused.
        """
        self._check(url)
        endpoint_id, secret = new_id(), new_secret()
        async with self._db.transaction() as conn:
            if request is not None and (earlier := await store.endpoint_of_request(conn, request)):
                return self._again(request, *earlier)
            if await store.count_endpoints(conn) >= MAX_ENDPOINTS:
                raise TooManyEndpoints(limit=MAX_ENDPOINTS)
            made = await store.insert_endpoint(
                conn,
                endpoint_id,
                url=url,
                event_types=event_types,
                description=description,
                sealed_secret=self._seal.close(secret, endpoint_id),
                request=request,
            )
            if made is None:
                # A rival with the same request committed just now, so that it is visible by now.
                assert request is not None
                rival = await store.endpoint_of_request(conn, request)
                assert rival is not None
                return self._again(request, *rival)
            await audit.record(conn, pb.AUDIT_ACTION_ENDPOINT_CREATED, endpoint_id, changed=True)
            return made, secret

    async def get(self, endpoint_id: UUID) -> store.Endpoint:
        """One endpoint. Raises EndpointNotFound."""
        async with self._db.connection() as conn:
            return _standing(await store.get_endpoint(conn, endpoint_id), endpoint_id)

    async def page(self, *, size: int, token: str) -> tuple[list[store.Endpoint], str]:
        """A page, oldest first, and the token of the next one, "" after the last. Raises PageTokenInvalid."""
        filters = ("webhook-endpoints",)
        cursor = decode_token(token, filters=filters, kinds=(UUID,))
        async with self._db.connection() as conn:
            rows = await store.list_endpoints(conn, after=cursor[0] if cursor else None, limit=size + 1)
        if len(rows) <= size:
            return rows, ""
        return rows[:size], encode_token((rows[size - 1].endpoint_id,), filters=filters)

    async def update(self, endpoint_id: UUID, values: Mapping[str, Any], *, etag: str) -> store.Endpoint:
        """Takes new values of url, event_types, description and state. Without any difference nothing is written.

        Raises EndpointNotFound, EtagMismatch, UrlNotAllowed.
        """
        async with self._db.transaction() as conn:
            endpoint = _standing(await store.get_endpoint(conn, endpoint_id, lock=True), endpoint_id)
            if etag and etag != endpoint.etag:
                raise EtagMismatch(etag=endpoint.etag)
            changed = replace(endpoint, **values)
            if changed.url != endpoint.url:
                self._check(changed.url)
            if changed.state != endpoint.state:
                changed = replace(changed, disabled_reason="by_admin" if changed.state == "disabled" else None)
            if changed == endpoint:
                return endpoint
            saved = await self._save(conn, changed)
            await audit.record(conn, pb.AUDIT_ACTION_ENDPOINT_UPDATED, endpoint_id, changed=True)
            return saved

    async def delete(self, endpoint_id: UUID) -> None:
        """Sends nothing more to it, and forgets its secret. Raises EndpointNotFound."""
        async with self._db.transaction() as conn:
            endpoint = _standing(await store.get_endpoint(conn, endpoint_id, lock=True), endpoint_id)
            await self._save(conn, replace(endpoint, state="deleted", disabled_reason=None))
            await audit.record(conn, pb.AUDIT_ACTION_ENDPOINT_DELETED, endpoint_id, changed=True)

    async def _save(self, conn: Connection, endpoint: store.Endpoint) -> store.Endpoint:
        if endpoint.state != "enabled":
            await store.cancel_deliveries(conn, endpoint.endpoint_id)
        return await store.save_endpoint(conn, endpoint)

    def _check(self, url: str) -> None:
        problem = url_problem(url, allow_private=self._allow_private)
        if problem:
            raise UrlNotAllowed(problem=problem)

    def _again(self, request: store.Request, earlier: store.Endpoint, digest: bytes) -> tuple[store.Endpoint, str]:
        if not hmac.compare_digest(request.sha256, digest):
            raise RequestIdReused(request_id=request.request_id)
        if earlier.sealed_secret is None:
            return earlier, ""
        try:
            return earlier, self._seal.open(earlier.sealed_secret, earlier.endpoint_id)
        except SecretUnreadable:
            return earlier, ""


def _standing(endpoint: store.Endpoint | None, endpoint_id: UUID) -> store.Endpoint:
    if endpoint is None or endpoint.state == "deleted":
        raise EndpointNotFound(endpoint_id=endpoint_id)
    return endpoint
