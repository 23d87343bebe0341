"""Where a session connects and how it signs in: settings in; URL, headers and subprotocols out.

Two credentials may travel: the gateway's token, always as `cf-aig-authorization`, and the provider's key, in one of the
forms its `KeyAuth` has. Neither is ever in a repr, an error or a URL shown: `redact`, `safe_url` and `SILENT` see to
that. `explain_refusal` and `explain_close` turn what a peer answered instead of a session into an error that names the
next step.
"""

from __future__ import annotations

from .address import AuthForm, Endpoint, resolve
from .gateway import SESSION_METADATA, Gateway, GatewayKind
from .redaction import SILENT, redact, safe_url, suspicion
from .refusals import explain_close, explain_refusal

__all__ = [
    "SESSION_METADATA",
    "SILENT",
    "AuthForm",
    "Endpoint",
    "Gateway",
    "GatewayKind",
    "explain_close",
    "explain_refusal",
    "redact",
    "resolve",
    "safe_url",
    "suspicion",
]
