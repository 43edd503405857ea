"""Runs moto's server on a free loopback port, prints `PORT <n>` once it listens, and ends when its standard input ends.

Started by emulator.ts, which holds the other end of the pipe: when that process dies in whatever way, the pipe closes and so does this.
"""

import os
import sys
import threading

from werkzeug.serving import WSGIRequestHandler, make_server

from moto.ec2.models.security_groups import SecurityGroupBackend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app


class QuietHandler(WSGIRequestHandler):
    # Kept-alive connections: the proxy in front sends thousands of requests.
    protocol_version = "HTTP/1.1"

    def log_request(self, code="-", size="-"):
        pass


def end_with_parent() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


def without_rule_quota() -> None:
    # The fault proxy has the quota as a setting (default 60, as AWS); moto's fixed one could not be raised.
    SecurityGroupBackend._verify_group_will_respect_rule_count_limit = lambda *args, **kwargs: None


def one_at_a_time(app):
    # moto's tables are plain dicts that it walks while another thread changes them: an internal error where AWS has none.
    turn = threading.Lock()

    def serve(environ, start_response):
        with turn:
            answer = app(environ, start_response)
            try:
                return list(answer)
            finally:
                if hasattr(answer, "close"):
                    answer.close()

    return serve


def main() -> None:
    without_rule_quota()
    threading.Thread(target=end_with_parent, daemon=True).start()
    app = one_at_a_time(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=QuietHandler)
    print(f"PORT {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
