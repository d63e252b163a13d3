"""How gunicorn serves an app inside its instance. On a unix socket it knows no client, so REMOTE_ADDR comes from the
gateway's X-Forwarded-For, whose last entry is the address that the gateway saw."""

import os

_socket = os.environ.get("LISTEN_SOCKET")
bind = f"unix:{_socket}" if _socket else f"127.0.0.1:{os.environ.get('PORT', '8000')}"
# One process with threads: a second process would be a second instance that nobody asked for.
workers = 1
threads = 8
worker_class = "gthread"
forwarded_allow_ips = "*"
# Longer than the gateway keeps a connection that it does not use.
keepalive = 120


def post_worker_init(worker):
    app = worker.wsgi

    def with_client(environ, start_response):
        client = environ.get("HTTP_X_FORWARDED_FOR", "").split(",")[-1].strip()
        if client:
            environ["REMOTE_ADDR"] = client
        return app(environ, start_response)

    worker.wsgi = with_client
