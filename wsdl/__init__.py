"""Contracts as data: WSDL and XSD files, the demo's warehouse among them."""
