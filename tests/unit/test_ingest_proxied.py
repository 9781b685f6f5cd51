from datetime import timedelta

from flask import Flask, request
from werkzeug.test import Client, TestResponse

from docmill_ingest.proxied import behind

FORWARDED = {"X-Forwarded-For": "203.0.113.7, 198.51.100.2", "X-Forwarded-Proto": "https"}


def answer(*, proxies: int, hsts: timedelta = timedelta(0)) -> TestResponse:
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: str(request.remote_addr))
    client = Client(behind(app, proxies=proxies, hsts=hsts))
    return client.get("/", headers=FORWARDED, environ_base={"REMOTE_ADDR": "10.0.0.1"})


def test_an_address_that_the_caller_claims_is_not_believed() -> None:
    assert answer(proxies=0).text == "10.0.0.1"


def test_each_proxy_that_is_trusted_names_the_one_before_it() -> None:
    assert answer(proxies=1).text == "198.51.100.2"
    assert answer(proxies=2).text == "203.0.113.7"


def test_browsers_are_told_to_keep_to_https_over_https_only() -> None:
    year = timedelta(days=365)
    assert "Strict-Transport-Security" not in answer(proxies=0, hsts=year).headers
    told = answer(proxies=1, hsts=year).headers["Strict-Transport-Security"]
    assert told == "max-age=31536000"
