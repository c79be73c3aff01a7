"""Signs in a text of the machine that wrote it: addresses, paths, traces, products."""

from __future__ import annotations

import re
from collections.abc import Set
from dataclasses import dataclass

LONGEST = 16 << 10
"""Characters beyond which a text is not an explanation, but a dump."""
LONGEST_NAMES = 32 << 10
"""The same for all namespaces together that are neither the contract's nor a standard's."""

# Every pattern must take linear time: each begins where no word continues, and nested repetitions
# have limits.
_URL = re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]*+://[^\s\"'<>{}|\\^`]+", re.IGNORECASE)
_STANDARD = (
    "http://www.w3.org/",
    "http://schemas.xmlsoap.org/",
    "http://docs.oasis-open.org/",
    "http://ws-i.org/",
)
"""Prefixes of the standards' own namespaces, which reveal nothing of a machine."""

_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_PRIVATE = "local|localdomain|internal|intranet|corp|lan|home|private"
_FOLDERS = (
    "usr|opt|var|home|etc|srv|tmp|mnt|apps?|data|root|proc|run|lib|bin|Users|Library|inetpub|"
    "u0[1-9]|oracle|vendor|WEB-INF|node_modules|site-packages"
)
_SOURCES = "java|cs|vb|py|php|rb|js|cpp|jsp|asmx|svc|dll"
_LABELS = r"(?<![\w.-])(?:[\w-]{1,63}\.){1,8}"
_ANY_CASE = (
    rf"(?<![\w.])(?:{_OCTET}\.){{3}}{_OCTET}(?!\.?\w)",  # 10.1.2.3
    r"\[[0-9a-f]{0,4}:[0-9a-f:.]{1,45}\]",  # [fe80::1]
    rf"{_LABELS}(?:{_PRIVATE})\b",  # app01.corp
    r"\blocalhost\b",
    rf"(?=[\d.-]{{0,80}}[a-z_]){_LABELS}[\w-]{{1,63}}:\d{{2,5}}\b",  # app.example.com:8080
    r"\b[a-z]:[\\/](?![\\/])\S",  # C:\inetpub
    r"\\\\[\w.-]{1,80}\\\S",  # \\server\share
    rf"(?<![\w/.:])/(?:{_FOLDERS})/\S",  # /opt/app
)
_TRACES = (
    r"\bat\s{1,8}(?=[^\s(]{0,300}\.)[\w$<>`\[\],.]{1,300}\s?\(",  # at com.foo.Bar(Bar.java:12)
    r"\bat\s{1,8}[\w$<>.]{1,300}\s\(/",  # at Object.<anonymous> (/srv/x.js:1:2)
    r"\b(?:Caused by|Nested exception|Stack ?trace|Traceback)\b",
    r"--->|--- End of inner",
    r"\bFile \"[^\"\n]{1,300}\", line \d",
    rf"\w\.(?:{_SOURCES}):?\s?(?:line\s)?\d",  # OrderDao.java:12
    r"(?<![\w$.])(?:[a-z_][\w$]{0,60}\.){2,12}[A-Z$_]",  # org.acme.OrderDao
    # System.NullReferenceException
    r"(?<![\w.])(?:[A-Z]\w{0,60}\.){1,8}[A-Z]\w{0,60}?(?:Exception|Error)\b",
)
_PRODUCTS = (
    r"(?<![\w.])(?:org|com|net|io)\.(?:apache|sun|ibm|oracle|microsoft|jboss|hibernate|bea)\b",
    r"(?<![\w.])org\.springframework\b",
    r"\b(?:java|javax|jakarta)\.\w",
    r"\b(?:Microsoft|System|Newtonsoft|Windows)\.[A-Z]\w",
    r"(?:xml|ws|cxf|axis)\.apache\.org|\.dev\.java\.net|schemas\.microsoft\.com|datacontract\.org",
    r"\b(?:ORA|SQL|DB2|TNS|PLS|DFHPI|WSWS|BEA|IWAB)-?\d{3,}",
    r"\bSQLSTATE\b|\bjdbc:\w|\bODBC\b",
    r"\b(?:SQL Server|PostgreSQL|MySQL|MariaDB|MongoDB|Hibernate|Sybase|Informix)\b",
    r"\b(?:WebSphere|WebLogic|JBoss|WildFly|Tomcat|GlassFish|Payara|ColdFusion|NetWeaver)\b",
    r"\b(?:BizTalk|MuleSoft|ServiceMix|TIBCO|webMethods|DataPower|IIS|nginx|ASP\.NET|PHP)\b",
    r"\b(?:Axis2|AxisFault|CXF|gSOAP|JAX-WS|JAXB|NuSOAP|SOAP::Lite|spyne|Zeep)\b",
    r"\b(?:Apache|Jetty|Axis|OpenSSL)[/(-]\w",
)
_PRODUCT = re.compile("|".join(_PRODUCTS))
_TRACE = re.compile("|".join(_TRACES))
_PLACE = re.compile("|".join(_ANY_CASE), re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Telltales:
    """What to look for: the backend's own places; and namespaces that are allowed."""

    places: re.Pattern[str]
    names: frozenset[str] = frozenset()
    """The namespaces of the contract: callers have them anyway."""

    def in_text(self, text: str) -> bool:
        """Tell whether a text reveals where, or by which software, it was written."""
        if len(text) > LONGEST:
            return True
        plain = _URL.sub(self._unless_known, text)
        found = (_URL, _PRODUCT, _PLACE, _TRACE, self.places)
        return any(one.search(plain) for one in found)

    def among(self, names: Set[str]) -> Set[str]:
        """Return the telling namespaces; all unknown ones, if they are a dump."""
        strange = {one for one in names if not self._is_known(one)}
        if sum(map(len, strange)) > LONGEST_NAMES:
            return strange
        return {one for one in strange if self.in_name(one)}

    def in_name(self, name: str) -> bool:
        """Tell whether a namespace is telling; unlike in texts, any URL is normal in it."""
        if self._is_known(name):
            return False
        return any(one.search(name) for one in (_PRODUCT, self.places))

    def _is_known(self, name: str) -> bool:
        return name in self.names or name.startswith(_STANDARD)

    def _unless_known(self, url: re.Match[str]) -> str:
        plain = url[0].rstrip(".,;:)]")
        known = plain in self.names or plain.rstrip("/") in self.names
        return " " if known or plain.startswith(_STANDARD) else url[0]
