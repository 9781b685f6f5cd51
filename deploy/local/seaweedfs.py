"""A private S3 server: SeaweedFS, all of its parts in one process."""

import json
import shutil
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from deploy.local.server import NotReadyError, Server, environment, secret

if TYPE_CHECKING:  # the stubs are there for the type checker alone
    from mypy_boto3_s3 import S3Client

ACCESS_KEY: Final = "docmill"
LIMITED: Final = ("docmill-services", "docmill-scheduler")  # may do what a bucket's policy says
REGION: Final = "us-east-1"
PROBE: Final = "docmill-probe"
# What the chart's evaluation uses as well. electionTimeout: of its ten seconds, alone, a restart
# would wait for each; volume.max: a bucket takes at least one.
SHARED: Final = Path(__file__).parents[1] / "seaweedfs" / "options"
PORTS: Final = ("master", "volume", "filer", "s3")


class SeaweedFS(Server):
    """S3 with one identity that may do everything, and those of deploy/s3/bucket-policy.json."""

    name = "seaweedfs"

    @property
    def port(self) -> int:
        return self.ports["s3"]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def secret_key(self) -> str:
        return secret(self.root, "s3")

    def start(self) -> None:
        if self.process.running:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if client := self.__dict__.pop("client", None):
            client.close()  # the port may be another now
        self.process.start(
            [_program(), *self._flags()],
            env=environment(
                WEED_MASTER_VOLUME_GROWTH_COPY_1="1",
                WEED_S3_SSE_KEY=secret(self.root, "s3-encryption"),
            ),
        )

    def is_ready(self) -> bool:
        """Tell whether an object can be stored: a volume must have been assigned for that."""
        try:
            self.ensure_bucket(PROBE)
            self.client.put_object(Bucket=PROBE, Key="ready", Body=b"1")
        except (BotoCoreError, ClientError):
            return False
        return True

    def ensure_bucket(self, name: str) -> None:
        """Make the bucket unless it is there."""
        try:
            self.client.create_bucket(Bucket=name)
        except ClientError as exc:
            if exc.response["Error"]["Code"] not in {
                "BucketAlreadyExists",
                "BucketAlreadyOwnedByYou",
            }:
                raise

    def stop(self) -> None:
        # 4.48's orderly end waits 25 s for streams between its own parts. What it has answered is
        # with the kernel already, so that SIGKILL after two seconds loses nothing.
        self.process.stop(timeout=2)

    @cached_property
    def client(self) -> "S3Client":
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            connect_timeout=2,
            read_timeout=5,
            retries={"total_max_attempts": 1},
        )
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=self.secret_key,
            config=config,
        )

    def _flags(self) -> list[str]:
        flags = [
            "server",
            f"-dir={self.folder}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            *(f"-{option}" for option in SHARED.read_text().split()),
            f"-s3.config={self._identities()}",
            f"-metricsPort={self.ports.usable('s3-metrics')}",
            "-metricsIp=127.0.0.1",
        ]
        for part in PORTS:
            flags.append(f"-{part}.port={self.ports.usable(part)}")
            flags.append(f"-{part}.port.grpc={self.ports.usable(f'{part}-grpc')}")
        return flags

    def _identities(self) -> Path:
        identities = [self._identity(ACCESS_KEY, "Admin", "Read", "Write", "List", "Tagging")]
        identities += [self._identity(name) for name in LIMITED]
        file = self.root / "run" / "s3.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps({"identities": identities}))
        return file

    def _identity(self, name: str, *actions: str) -> dict[str, Any]:
        credentials = {"accessKey": name, "secretKey": self.secret_key}
        return {"name": name, "credentials": [credentials], "actions": actions}


def _program() -> str:
    """Find the program beside our interpreter, where its wheel puts it."""
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    if not found:
        raise NotReadyError("the program `weed` is missing: run `make setup`")
    return found
