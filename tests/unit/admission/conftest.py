"""What the tests of single checks share: envelopes, written down in short."""

from __future__ import annotations

import pytest

from gateway.message import Message
from gateway.soap.envelope import SoapVersion, parse

ROOT = 'xmlns:e="{}" xmlns:a="http://www.w3.org/2005/08/addressing" xmlns:h="urn:h"'


@pytest.fixture
def envelope():
    """Return what parses an envelope around a header and a Body."""

    def write(header="", body="<op/>", version=SoapVersion.V11, attachments=None):
        head = f"<e:Header>{header}</e:Header>" if header else ""
        root = ROOT.format(version.namespace)
        text = f"<e:Envelope {root}>{head}<e:Body>{body}</e:Body></e:Envelope>"
        if attachments is None:
            return parse(Message(body=text.encode(), content_type=version.media_type))
        parts = [f"Content-Type: application/xop+xml\r\n\r\n{text}"]
        parts += [f"Content-ID: <{name}>\r\n\r\nbytes" for name in attachments]
        whole = "".join(f"--b\r\n{part}\r\n" for part in parts) + "--b--"
        kind = f'multipart/related; boundary=b; start-info="{version.media_type}"'
        return parse(Message(body=whole.encode(), content_type=kind))

    return write
