"""The docmill SDK: upload documents, wait for them, read what is in them."""

from docmill_client.client import Client
from docmill_client.errors import DocmillError, Problem, Unreachable

__all__ = ["Client", "DocmillError", "Problem", "Unreachable"]
