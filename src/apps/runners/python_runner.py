"""Serves a WSGI or ASGI app with nothing but the standard library, for nodes without gunicorn or uvicorn.

    python_runner.py wsgi|asgi [--factory] MODULE:CALLABLE

Listens on the unix socket LISTEN_SOCKET, else on 127.0.0.1:PORT. Ends on SIGTERM once running requests are answered.
"""

import importlib
import os
import sys
import traceback


def fail(message):
    print(f"moln: {message}", file=sys.stderr, flush=True)
    sys.exit(1)


def load(target, factory):
    """The callable, or the end of this process with a line that says why."""
    module_name, _, attributes = target.partition(":")
    try:
        found = importlib.import_module(module_name)
    except Exception as error:
        traceback.print_exc()
        fail(f'Cannot import "{module_name}": {type(error).__name__}: {error}')
    for name in (attributes or "app").split("."):
        if not hasattr(found, name):
            fail(f'Module "{module_name}" has no "{name}"')
        found = getattr(found, name)
    if factory:
        try:
            found = found()
        except Exception as error:
            traceback.print_exc()
            fail(f'Calling "{attributes}" of "{module_name}" failed: {type(error).__name__}: {error}')
    if not callable(found):
        fail(f'"{target}" cannot be called, so it is no {sys.argv[1].upper()} app')
    return found


def address():
    path = os.environ.get("LISTEN_SOCKET")
    if path:
        if os.path.exists(path):
            os.unlink(path)
        return path
    port = os.environ.get("PORT", "")
    if not port.isdigit():
        fail("Neither LISTEN_SOCKET nor PORT says where to listen")
    return ("127.0.0.1", int(port))


def main():
    arguments = [each for each in sys.argv[1:] if each != "--factory"]
    if len(arguments) != 2 or arguments[0] not in ("wsgi", "asgi"):
        fail("Usage: python_runner.py wsgi|asgi [--factory] MODULE:CALLABLE")
    kind, target = arguments
    if kind == "wsgi":
        from moln_wsgi import serve
    else:
        from moln_asgi import serve
    # The app's own folder comes first; this one is none of its business.
    sys.path[0] = os.getcwd()
    sys.exit(serve(load(target, "--factory" in sys.argv), address()))


if __name__ == "__main__":
    main()
