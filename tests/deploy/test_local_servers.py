"""The private servers of tests and demo, each doing one real thing."""

import boto3
import httpx
import psycopg

from docmill.ops.settings import StoreSettings


def test_an_empty_database_takes_a_table(empty_database_url: str) -> None:
    with psycopg.connect(empty_database_url) as connection:
        connection.execute("CREATE TABLE page (number int)")
        assert connection.execute("SELECT count(*) FROM page").fetchone() == (0,)


def test_every_test_has_a_migrated_database(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT to_regclass('task') IS NOT NULL").fetchone()
    assert row == (True,)


def test_every_test_has_a_vhost_of_its_own(rabbitmq_url: str, rabbitmq_api: str) -> None:
    name = rabbitmq_url.rpartition("/")[2]
    assert httpx.get(f"{rabbitmq_api}/vhosts/{name}").json()["name"] == name


def test_every_test_has_a_bucket_of_its_own(blob_settings: StoreSettings) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=blob_settings.s3_endpoint,
        region_name=blob_settings.s3_region,
        aws_access_key_id=blob_settings.s3_access_key,
        aws_secret_access_key=blob_settings.s3_secret_key,
    )
    client.put_object(Bucket=blob_settings.s3_bucket, Key="a", Body=b"bytes")
    assert client.get_object(Bucket=blob_settings.s3_bucket, Key="a")["Body"].read() == b"bytes"
