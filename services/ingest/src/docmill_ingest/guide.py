"""The API for people: one page made of the OpenAPI document, without scripts."""

from collections.abc import Iterator, Mapping
from html import escape
from string import Template
from typing import Any, Final

_PAGE: Final = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>docmill API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code { background: #eef; padding: 0 .25em; border-radius: 3px }
h2 { border-top: 1px solid #ccd; padding-top: 1rem; font-size: 1.1rem }
table { border-collapse: collapse } td { padding: .15rem .75rem .15rem 0; vertical-align: top }
.method { color: #fff; background: #246; border-radius: 3px; padding: 0 .4em; font-size: .85em }
</style></head><body>
<h1>docmill API $version</h1>
<p>Send your key as <code>Authorization: Bearer &lt;key&gt;</code>. Errors are
<code>application/problem+json</code> with a stable <code>code</code> and a remedy. The description
for programs is <a href="/openapi.json">/openapi.json</a>.</p>
<pre><code>curl -H "Authorization: Bearer $$KEY" --data-binary @invoice.pdf \\
     "http://localhost:8080/v1/documents?name=invoice.pdf"</code></pre>
$operations
</body></html>
""")


def guide(description: Mapping[str, Any]) -> str:
    """Return the page."""
    return _PAGE.substitute(
        version=escape(description["info"]["version"]),
        operations="\n".join(_operations(description["paths"])),
    )


def _operations(paths: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            yield _operation(path, method, operation)


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    return (
        f'<h2><span class="method">{escape(method.upper())}</span> <code>{escape(path)}</code></h2>'
        f"<p>{escape(operation.get('summary', ''))}. {escape(operation.get('description', ''))}</p>"
        f"<table>{''.join(map(_parameter, operation.get('parameters', [])))}</table>"
        f"<p>Answers: {escape(', '.join(sorted(operation['responses'])))}</p>"
    )


def _parameter(parameter: Mapping[str, Any]) -> str:
    return (
        f"<tr><td><code>{escape(parameter['name'])}</code></td><td>{escape(parameter['in'])}</td>"
        f"<td>{escape(parameter.get('description', ''))}</td></tr>"
    )
