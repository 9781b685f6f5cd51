"""deploy/s3/bucket-policy.json lets each do what it must, and no more."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from io import BytesIO
from pathlib import Path

import pytest

from deploy.local.run_tests import ROOT
from deploy.local.seaweedfs import LIMITED
from docmill.adapters.s3 import S3Blobs, connect, open_blobs
from docmill.domain.errors import StoreDown
from docmill.ops.settings import StoreSettings
from docmill.ports import Stored

POLICY = ROOT / "deploy" / "s3" / "bucket-policy.json"
Opened = Callable[[str], S3Blobs]


@pytest.fixture(params=["plain", "versioned"])
def opened(request: pytest.FixtureRequest, blob_settings: StoreSettings) -> Iterator[Opened]:
    """Open the bucket, under the policy, as one of its two users."""
    bucket = blob_settings.s3_bucket
    policy = POLICY.read_text().replace("s3:::docmill", f"s3:::{bucket}")
    with ExitStack() as stack, closing(connect(blob_settings)) as admin:
        admin.put_bucket_policy(Bucket=bucket, Policy=policy)
        if request.param == "versioned":
            admin.put_bucket_versioning(
                Bucket=bucket, VersioningConfiguration={"Status": "Enabled"}
            )

        def open_as(user: str) -> S3Blobs:
            settings = blob_settings.model_copy(update={"s3_access_key": user})
            return stack.enter_context(closing(open_blobs(settings)))

        yield open_as
        admin.delete_bucket_policy(Bucket=bucket)


def put(blobs: S3Blobs, key: str = "acme/document/original", size: int = 10) -> Stored:
    return blobs.put(key, BytesIO(bytes(size)), media_type="text/plain")


def test_the_policy_names_the_users_that_the_local_store_knows() -> None:
    statements = json.loads(POLICY.read_text())["Statement"]
    users = {each["Principal"]["AWS"].rpartition("/")[2] for each in statements}
    assert users == set(LIMITED)


def test_services_read_write_and_probe(opened: Opened, tmp_path: Path) -> None:
    services = opened("docmill-services")
    services.ping()
    put(services)
    put(services, "acme/document/large", 9 * 2**20)  # in parts
    assert services.fetch("acme/document/original", tmp_path / "original").size == 10
    assert services.head("acme/document/nothing") is None
    services.probe()


def test_services_cannot_delete_a_document(opened: Opened) -> None:
    services = opened("docmill-services")
    put(services)
    with pytest.raises(StoreDown, match="AccessDenied"):
        services.delete(["acme/document/original"])
    assert services.head("acme/document/original") is not None


def test_the_scheduler_lists_and_deletes_every_trace(opened: Opened) -> None:
    put(opened("docmill-services"))
    scheduler = opened("docmill-scheduler")
    scheduler.ping()
    assert [each.key for each in scheduler.list()] == ["acme/document/original"]
    assert scheduler.head("acme/document/original") is not None
    scheduler.purge("acme/document/")
    assert list(scheduler.list()) == []
    assert list(scheduler.open_uploads()) == []


def test_the_scheduler_cannot_write(opened: Opened) -> None:
    with pytest.raises(StoreDown, match="AccessDenied"):
        put(opened("docmill-scheduler"))
