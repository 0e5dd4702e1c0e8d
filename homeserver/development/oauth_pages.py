"""The HTML pages of the development environment's authorization server: sign-in, consent, error."""

from html import escape

from starlette.responses import HTMLResponse

_HEADERS = {
    "Cache-Control": "no-store",
    # Not in a frame, where another site could have the user press "Allow". No form-action: it would block the redirect.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
}
_STYLE = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 26rem; margin: 3rem auto; padding: 0 1rem; }
h1 { font-size: 1.35rem; }
form, label { display: grid; gap: .3rem; }
form { gap: .9rem; }
input, button { font: inherit; padding: .5rem .7rem; }
.buttons { display: grid; grid-template-columns: 1fr 1fr; gap: .6rem; }
"""


def sign_in_page(account: tuple[str, str] = ("", ""), problem: str = "") -> HTMLResponse:
    """Returns the page with the form for user name and password.

    :param account: a sample account, whose name and password are in the fields.
    """
    name, password = map(escape, account)
    notice = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    hint = "<p>The fields have the name and the password of the sample account.</p>" if name else ""
    return _page(
        "Sign in",
        f"""{notice}{hint}<form method="post">
<label>User name <input name="username" value="{name}" autocomplete="username" required autofocus></label>
<label>Password <input name="password" type="password" value="{password}"
autocomplete="current-password" required></label>
<button>Sign in</button></form>""",
        403 if problem else 200,
    )


def consent_page(
    client_name: str, user_name: str, csrf: str, *, device_id: str | None = None, identity_only: bool = False
) -> HTMLResponse:
    """Returns the page on which the user allows or denies what the client asks for.

    :param identity_only: whether the client asks who the user is, and for nothing else.
    """
    device = f" as the device <code>{escape(device_id)}</code>" if device_id else ""
    wanted = "asks who you are. You are" if identity_only else "asks for full access to the Matrix account"
    return _page(
        f"Allow {client_name}?",
        f"""<p>{escape(client_name)} {wanted} <strong>{escape(user_name)}</strong>{device}.</p>
<form method="post"><input type="hidden" name="csrf" value="{escape(csrf)}">
<span class="buttons"><button name="decision" value="allow">Allow</button>
<button name="decision" value="deny">Deny</button></span></form>""",
    )


def error_page(problem: str) -> HTMLResponse:
    """Returns the page for a request that cannot be answered at the client's own address."""
    return _page("This sign-in cannot go on", f"<p>{escape(problem)}</p>", 400)


def _page(title: str, body: str, status: int = 200) -> HTMLResponse:
    text = f"""<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(title)}</title><style>{_STYLE}</style><main><h1>{escape(title)}</h1>{body}</main></html>"""
    return HTMLResponse(text, status, headers=_HEADERS)
