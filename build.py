#!/usr/bin/env python3
"""The project's command line: sets up what is missing, then serves, builds, documents, packs, tests or compares.

    python3 build.py serve [--port N] [--homeserver-port N] [--token-lifetime SECONDS]
                           [--oauth] [--oauth-port N] [--no-open]
    python3 build.py build [--out DIR] [--url URL]
    python3 build.py docs [--out DIR]
    python3 build.py package [--out DIR]
    python3 build.py gateway --homeserver URL [--port N] [--config FILE]
    python3 build.py test [pytest arguments]
    python3 build.py compare [--out DIR] [--quick | --runs N] [--mode MODE ...] [--seed N] [--resume]
    python3 build.py compare --bench [--out DIR] [--runs N] [--mode MODE ...] [--rows NAME ...]
    python3 build.py compare --load [--out DIR]
    python3 build.py compare --faults [--out DIR] [--mode MODE ...] [--rows WORDS ...]
    python3 build.py compare --long-use MINUTES [--mode MODE ...] [--rows PAGE ...]
    python3 build.py compare --take DIR
    python3 build.py evidence --add FILE ... [--by NAME] [--on DAY]

This file is a table of contents: it parses the arguments, sets up the environment (`tools.setup_environment`, which
uses the standard library alone), and calls the command's own module, imported once everything is installed.
"""

import argparse
import sys
from pathlib import Path

from tools.setup_environment import (
    ROOT,
    CommandError,
    check_machine,
    run_in_venv,
    set_up_node_modules,
    set_up_python,
)

STATE = ROOT / ".state"


def main(arguments: list[str]) -> int:
    """Runs one command; returns the process's exit status."""
    try:
        options = _parse(arguments)
        check_machine()
        set_up_python()
        run_in_venv(arguments)
        sys.path[:0] = [str(ROOT), str(ROOT / "homeserver"), str(ROOT / "pyapp")]
        set_up_node_modules()
        status: int = options.command(options)
        return status
    except CommandError as reason:
        print(f"authmedia: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


# --- the commands ----------------------------------------------------------------------------------------------------


def serve(options: argparse.Namespace) -> int:
    """Starts the homeserver, seeds it, builds the site and serves it until Ctrl-C or SIGTERM."""
    from web.demonstration import run

    return run(
        STATE,
        options.port,
        options.homeserver_port,
        token_lifetime_s=options.token_lifetime,
        oauth_port=options.oauth_port if options.oauth else None,
        open_browser=not options.no_open,
    )


def build(options: argparse.Namespace) -> int:
    """Builds the static site."""
    from web.build_command import run
    from web.documentation import DocumentationError

    try:
        return run(options.out, options.url or "")
    except (DocumentationError, FileExistsError) as error:
        raise CommandError(str(error)) from error


def docs(options: argparse.Namespace) -> int:
    """Builds the documentation."""
    from web.documentation import DocumentationError
    from web.documentation_command import run

    try:
        return run(options.out)
    except (DocumentationError, FileExistsError) as error:
        raise CommandError(str(error)) from error


def package(options: argparse.Namespace) -> int:
    """Builds the packages that applications and homeservers install."""
    from web.packages import PackageError
    from web.packages_command import run

    try:
        return run(options.out)
    except PackageError as error:
        raise CommandError(str(error)) from error


def gateway(options: argparse.Namespace) -> int:
    """Runs the gateway in front of a homeserver until Ctrl-C or SIGTERM."""
    from gateway.command import run

    return run(options.homeserver, "127.0.0.1", options.port, options.config, STATE / "gateway")


def test(options: argparse.Namespace) -> int:
    """Runs the tests."""
    from tools.run_tests import run

    return run(options.rest)


def compare(options: argparse.Namespace) -> int:
    """Runs the comparison, the benchmark, the load test or the fault injection; the machine should be idle."""
    from tests.evidence.command import run

    try:
        return run(STATE, options)
    except RuntimeError as error:
        raise CommandError(str(error)) from error


def evidence(options: argparse.Namespace) -> int:
    """Adds what others measured with ``compare.html`` to the evidence."""
    from tests.evidence.contribution import ContributionError
    from tests.evidence.contribution_command import run

    try:
        return run(options.add, by=options.by, on=options.on)
    except ContributionError as error:
        raise CommandError(str(error)) from error


# --- their arguments -------------------------------------------------------------------------------------------------


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="build.py", description="Serves, builds, packs, tests or compares authmedia.")
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_serve(commands.add_parser("serve", help="start a homeserver with a sample room and serve the pages"))
    _add_build(commands.add_parser("build", help="build the static site"))
    _add_docs(commands.add_parser("docs", help="build the documentation"))
    _add_package(commands.add_parser("package", help="build the packages of the library and of the Synapse module"))
    _add_gateway(commands.add_parser("gateway", help="serve signed links in front of a homeserver without the module"))
    test_help = "run all tests, or those that pytest's arguments choose"
    commands.add_parser("test", help=test_help, add_help=False).set_defaults(command=test)
    _add_compare(commands.add_parser("compare", help="run every strategy in every browser and mode found"))
    _add_evidence(commands.add_parser("evidence", help="add results that compare.html has written to the evidence"))
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command is not test:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    return options


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=_port, default=8000, help="the site's port (default: 8000)")
    parser.add_argument("--homeserver-port", type=_port, default=8008, help="Synapse's port (default: 8008)")
    lifetime_help = "how long access tokens are valid, in seconds (default: a day); the pages renew them"
    parser.add_argument("--token-lifetime", type=_seconds, metavar="SECONDS", help=lifetime_help)
    oauth_help = "sign in with OAuth 2.0, at a development authorization server"
    parser.add_argument("--oauth", action="store_true", help=oauth_help)
    parser.add_argument("--oauth-port", type=_port, default=8009, help="that server's port (default: 8009)")
    parser.add_argument("--no-open", action="store_true", help="do not open a browser")
    parser.set_defaults(command=serve)


def _add_build(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="output folder (default: dist)")
    parser.add_argument("--url", type=_site_url, help="where the site will be, for pictures in link previews")
    parser.set_defaults(command=build)


def _add_docs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "docs", help="output folder (default: dist/docs)")
    parser.set_defaults(command=docs)


def _add_package(parser: argparse.ArgumentParser) -> None:
    default = ROOT / "dist" / "packages"
    parser.add_argument("--out", type=Path, default=default, help="output folder (default: dist/packages)")
    parser.set_defaults(command=package)


def _add_gateway(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--homeserver", metavar="URL", help="the homeserver's address; or in the configuration file")
    parser.add_argument("--port", type=_port, default=8010, help="the gateway's port (default: 8010)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a configuration file; see docs/gateway.md")
    parser.set_defaults(command=gateway)


def _add_compare(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, default=ROOT / "comparison", help="output folder (default: comparison)")
    parser.add_argument("--runs", type=int, default=5, help="how often to measure (default: 5)")
    parser.add_argument("--quick", action="store_true", help="each cell of the matrix once, in ten to thirteen minutes")
    parser.add_argument("--mode", action="append", default=[], help="only this mode; may be given again")
    parser.add_argument("--seed", type=int, help="of the order of turns (default: drawn)")
    parser.add_argument("--resume", action="store_true", help="go on with an interrupted run")
    parser.add_argument("--bench", action="store_true", help="measure speed instead, against peers")
    parser.add_argument("--load", action="store_true", help="have 200 clients ask the module for five minutes")
    parser.add_argument("--faults", action="store_true", help="have a thousand loads go wrong in each way")
    long_use_help = "use every page for so many minutes in each browser, while access tokens end"
    parser.add_argument("--long-use", type=float, metavar="MINUTES", help=long_use_help)
    rows_help = "with --bench, --faults or --long-use: only these rows or pages"
    parser.add_argument("--rows", action="append", default=[], help=rows_help)
    parser.add_argument("--take", type=Path, help="write the figures of that folder into README and docs")
    parser.set_defaults(command=compare)


def _add_evidence(parser: argparse.ArgumentParser) -> None:
    add_help = "what Download JSON of compare.html has written"
    parser.add_argument("--add", type=Path, action="append", required=True, metavar="FILE", help=add_help)
    parser.add_argument("--by", metavar="NAME", help="who measured it (default: left out)")
    parser.add_argument("--on", metavar="DAY", help="when, such as 2026-11-29 (default: left out)")
    parser.set_defaults(command=evidence)


def _site_url(text: str) -> str:
    if not text.startswith(("https://", "http://")):
        raise argparse.ArgumentTypeError(f"{text} is no address: it begins with https://")
    return text.rstrip("/") + "/"


def _seconds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no time: that is a whole number of seconds, at least 1")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text} is no port: those are 1 to 65535")
    return int(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
