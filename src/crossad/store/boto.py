"""The connection to an S3 server: the only file that imports boto3 and botocore, and only when one is opened."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from crossad.errors import CrossadError, UsageError
from crossad.store.answers import ROTATED, Answer, fault, redacted
from crossad.store.faults import StoreBroken, StoreDenied, StoreUnreachable
from crossad.store.options import check_endpoint

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

    from crossad.store.options import S3Options

BLOCK = 2**20  # bytes of a body read at once
POOL = 32  # connections kept open; more threads than that wait
MANY = 64  # objects that a process reads the usual way, before it prepares to read more of them faster
DECLINED = 4  # answers in a row that were not plainly an object: it was no good idea here
_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


class Connection:
    """One client for all threads of a process, made anew when its credentials were replaced."""

    def __init__(self, options: S3Options, where: str) -> None:
        """Make the client; nothing is sent yet."""
        self._options, self._where = options, where
        self._lock = threading.Lock()
        self._client = self._connect()
        self._worked = False
        self._reads = 0
        self._reader: _Reader | None = None

    @property
    def endpoint(self) -> str:
        """The server's address."""
        return str(self._client.meta.endpoint_url)

    def call(self, operation: str, where: str = "", **parameters: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3's own
        """One request, with the client library's own retries; every error is one of `faults`.

        Credentials that were replaced are read again, once a request. On a connection that has worked, credentials
        that are still refused count as "not now": their new files may not have arrived yet.
        """
        from botocore.exceptions import ClientError  # noqa: PLC0415 - an extra

        client = self._client
        with self._translated(operation, where):
            if operation == "get_object" and (read := self._read(parameters)) is not None:
                return read
            try:
                answer: dict[str, Any] = getattr(client, operation)(**parameters)
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") not in ROTATED:
                    raise
                answer = getattr(self._renewed(client), operation)(**parameters)
            self._worked = True
            return answer

    def blocks(self, body: Any, where: str) -> Iterator[bytes]:  # noqa: ANN401 - boto3's stream
        """A body in blocks; one that ends early is `StoreUnreachable`."""
        with self._translated("get_object", where):
            try:
                while block := body.read(BLOCK):
                    yield block
            finally:
                body.close()

    def _renewed(self, old: Any) -> Any:  # noqa: ANN401 - boto3's client
        """A client with the credentials of now; threads that met the same rotation share it."""
        with self._lock:
            if self._client is old:
                self._client, self._reader = self._connect(), None
            return self._client

    def _read(self, parameters: dict[str, Any]) -> dict[str, Any] | None:
        """An object of many, read the faster way; None where it has to be asked for the usual way."""
        self._reads += 1
        if self._reads <= MANY or not self._plain or parameters.keys() != {"Bucket", "Key"}:
            return None
        with self._lock:
            if self._reader is None:
                self._reader = _Reader(self._client, self._session.get_credentials())
            reader = self._reader
        return reader.read(parameters["Bucket"], parameters["Key"])

    def _connect(self) -> Any:  # noqa: ANN401 - boto3's client
        """A client by the options: made twice only where the environment names a custom endpoint."""
        from boto3.session import Session  # noqa: PLC0415 - an extra
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - an extra

        try:
            self._session = session = Session(profile_name=self._options.profile)
            client = self._client_of(session, self._options.endpoint)
            found = str(client.meta.endpoint_url)
            if self._options.endpoint is None and not _is_aws(found):
                client = self._client_of(session, found)
        except BotoCoreError as error:
            raise self._local(error) from error
        except ValueError as error:
            raise UsageError(
                f"store {self._where}: {redacted(str(error))}", hint="check endpoint and region"
            ) from error
        check_endpoint(found)
        return client

    def _client_of(self, session: Any, endpoint: str | None) -> Any:  # noqa: ANN401 - boto3's own
        from botocore.config import Config  # noqa: PLC0415 - an extra

        options = self._options
        custom = endpoint is not None and not _is_aws(endpoint)
        checksums = options.checksums
        if checksums == "auto":
            checksums = "when_required" if custom else "when_supported"
        self.adds_checksums = checksums == "when_supported"
        addressing = options.addressing
        if addressing == "auto":
            addressing = "path" if custom else "auto"  # the library's: virtual, unless the name has dots
        # on AWS the library verifies a checksum of every body, which is worth more than time
        self._plain = addressing == "path" and not self.adds_checksums
        config = Config(
            retries={"mode": "standard", "total_max_attempts": options.attempts},
            s3={"addressing_style": addressing},
            request_checksum_calculation=checksums,
            response_checksum_validation=checksums,
            connect_timeout=options.connect_timeout_seconds,
            read_timeout=options.read_timeout_seconds,
            max_pool_connections=max(POOL, 2 * options.threads),
            tcp_keepalive=True,
        )
        return session.client(
            "s3",
            # what all other AWS tools read; the client library knows AWS_DEFAULT_REGION only
            region_name=options.region or os.environ.get("AWS_REGION") or session.region_name or "us-east-1",
            endpoint_url=endpoint,
            verify=options.ca_bundle,
            config=config,
        )

    @contextmanager
    def _translated(self, operation: str, where: str) -> Iterator[None]:
        """Third-party errors become `faults`, with their cause."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an extra
        from botocore.parsers import ResponseParserError  # noqa: PLC0415 - an extra
        from urllib3.exceptions import HTTPError  # noqa: PLC0415 - botocore lets some of a body's errors through

        try:
            yield
        except ClientError as error:
            raise self._refused(error, operation, where or self._where) from error
        except BotoCoreError as error:
            raise self._local(error) from error
        except (ResponseParserError, HTTPError, OSError) as error:
            raise self._silent(type(error).__name__) from error

    def _refused(self, error: ClientError, operation: str, where: str) -> CrossadError:
        """What a server's refusal means."""
        told, meta = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
        headers = meta.get("HTTPHeaders", {})
        code = str(told.get("Code", ""))
        answer = Answer(
            operation=operation,
            where=where,
            endpoint=self.endpoint,
            status=int(meta.get("HTTPStatusCode", 0)),
            code=redacted(code),
            told=str(told.get("Message", "")),
            region=headers.get("x-amz-bucket-region") or told.get("Region"),
            date=headers.get("date"),
        )
        found = fault(answer)
        if self._worked and code in ROTATED:
            return StoreUnreachable(found.message, hint=found.hint)
        return found

    def _local(self, error: BotoCoreError) -> CrossadError:
        """What an error of the client library means: it has no answer from a server."""
        from botocore import exceptions as boto  # noqa: PLC0415 - an extra

        name = type(error).__name__
        credentials = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)
        if isinstance(error, (*credentials, boto.ProfileNotFound, boto.TokenRetrievalError)):
            return StoreDenied(
                f"store {self._where}: no usable credentials ({_words(name)})",
                hint="set AWS_PROFILE, AWS_SHARED_CREDENTIALS_FILE or the cluster's identity; docs/store.md",
            )
        if isinstance(
            error, boto.ParamValidationError | boto.InvalidRegionError | boto.InvalidEndpointConfigurationError
        ):
            return UsageError(f"store {self._where}: {redacted(str(error))}", hint="check bucket, prefix and region")
        if isinstance(error, boto.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
            return StoreBroken(
                f"store {self._where}: the server's certificate is not trusted here: {self.endpoint}",
                hint="name the authority's file: --ca-bundle FILE, or AWS_CA_BUNDLE",
            )
        cut = boto.HTTPClientError | boto.ConnectionError | boto.IncompleteReadError
        if isinstance(error, cut | boto.ChecksumError | boto.FlexibleChecksumError):
            return self._silent(name)
        return StoreBroken(f"store {self._where}: {_words(name)}: {redacted(str(error))}", hint="see docs/store.md")

    def _silent(self, name: str) -> StoreUnreachable:
        return StoreUnreachable(
            f"store {self._where}: no whole answer from {self.endpoint} ({_words(name)})",
            hint="is it an S3 endpoint, running, and reachable from here? Run again: nothing was lost",
        )


class _Reader:
    """Reads many objects by requests that the client library signs and sends, and nothing else of it has to do with.

    That takes less than half of the processor time. What is not plainly an object's bytes, an error above all, is
    nothing for here: the library asks again in full, with its retries and its errors.
    """

    def __init__(self, client: Any, credentials: Any) -> None:  # noqa: ANN401 - boto3's own
        """Take an S3 client that names buckets in the path, and what it signs with."""
        self._endpoint, self._region = str(client.meta.endpoint_url), str(client.meta.region_name)
        self._credentials, self._declined = credentials, 0
        # no public way leads to it: connections with the timeouts, proxies and authorities that the library worked out
        self._http = client._endpoint.http_session

    def read(self, bucket: str, key: str) -> dict[str, Any] | None:
        """The answer to a `get_object`, as far as it is used here; None where there is no plain one."""
        from botocore.auth import S3SigV4Auth  # noqa: PLC0415 - an extra
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415 - an extra
        from botocore.exceptions import HTTPClientError  # noqa: PLC0415 - an extra
        from botocore.response import StreamingBody  # noqa: PLC0415 - an extra
        from botocore.utils import percent_encode  # noqa: PLC0415 - an extra

        if self._declined >= DECLINED or self._credentials is None:
            return None
        request = AWSRequest("GET", f"{self._endpoint}/{bucket}/{percent_encode(key, safe='/~')}", stream_output=True)
        S3SigV4Auth(self._credentials.get_frozen_credentials(), "s3", self._region).add_auth(request)
        try:
            answer = self._http.send(request.prepare())
        except HTTPClientError:
            self._declined += 1
            return None
        size = answer.headers.get("Content-Length")
        if answer.status_code != 200 or size is None:
            self._declined += 1
            answer.raw.close()
            return None
        self._declined = 0
        return {
            "Body": StreamingBody(answer.raw, int(size)),
            "ContentLength": int(size),
            "ETag": answer.headers.get("ETag", ""),
        }


def _is_aws(endpoint: str) -> bool:
    host = endpoint.partition("://")[2].partition("/")[0].partition(":")[0]
    return host.endswith(_AWS)


def _words(name: str) -> str:
    """`ConnectTimeoutError` as words: connect timeout error."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name).lower()
