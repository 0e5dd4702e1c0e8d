"""The HTML pages of the development environment's authorization server: sign-in, consent, error."""

from html import escape

from starlette.responses import HTMLResponse

_HEADERS = {
    "Cache-Control": "no-store",
    # Not in a frame, where another site could have the user press "Allow". No form-action: it would block the redirect.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
}
_STYLE = (
    "body{font:1.1rem/1.5 system-ui;max-width:26rem;margin:4rem auto;padding:0 1rem}label,input,button{display:block}"
)


def sign_in_page(problem: str = "") -> HTMLResponse:
    """Returns the page with the form for user name and password."""
    notice = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    return _page(
        "Sign in",
        f"""{notice}<form method="post">
<label>User name <input name="username" autocomplete="username" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<p><button>Sign in</button></p></form>""",
        403 if problem else 200,
    )


def consent_page(client_name: str, user_name: str, device_id: str | None, csrf: str) -> HTMLResponse:
    """Returns the page on which the user allows or denies what the client asks for."""
    device = f" as the device <code>{escape(device_id)}</code>" if device_id else ""
    return _page(
        f"Allow {client_name}?",
        f"""<p>{escape(client_name)} asks for full access to the Matrix account
<strong>{escape(user_name)}</strong>{device}.</p>
<form method="post"><input type="hidden" name="csrf" value="{escape(csrf)}">
<p><button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button></p></form>""",
    )


def error_page(problem: str) -> HTMLResponse:
    """Returns the page for a request that cannot be answered at the client's own address."""
    return _page("This sign-in cannot go on", f"<p>{escape(problem)}</p>", 400)


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    text = f"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>{body}</html>"""
    return HTMLResponse(text, status, headers=_HEADERS)
