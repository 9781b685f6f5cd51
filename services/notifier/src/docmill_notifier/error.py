"""Why a webhook was not delivered.

Transient                 tried again with back-off
├── EndpointUnreachable   no connection, no answer, or not in time
└── EndpointRefused       any answer but 2xx and 410
Permanent                 never tried again
├── EndpointGone          410: the receiver wants no more
├── AddressForbidden      the URL is not one we connect to
└── SecretUnusable        nothing could be signed
"""

from docmill.domain.errors import Permanent, Transient


class EndpointUnreachable(Transient):
    """The endpoint did not answer, or not in time."""

    code = "endpoint_unreachable"


class EndpointRefused(Transient):
    """The endpoint answered, but not with success."""

    code = "endpoint_refused"


class EndpointGone(Permanent):
    """The endpoint answered 410: it wants no more deliveries."""

    code = "endpoint_gone"
    remedy = "Register the endpoint again when it should receive events."


class AddressForbidden(Permanent):
    """The endpoint's URL leads to an address webhooks may not reach."""

    code = "address_forbidden"
    remedy = "Register an https URL at a public address."


class SecretUnusable(Permanent):
    """The endpoint's secret cannot sign."""

    code = "secret_unusable"
    remedy = "Register the endpoint again with a secret of the form whsec_<base64>."
