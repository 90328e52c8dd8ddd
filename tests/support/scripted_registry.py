"""A registry's HTTP API that says what a test has it say."""

import http.server
import json
import ssl
import threading


class Request:
    """What was asked."""

    def __init__(self, handler, body):
        self.method = handler.command
        self.path = handler.path
        self.headers = dict(handler.headers.items())
        self.body = json.loads(body) if body else None

    def __repr__(self):
        return f"{self.method} {self.path} {self.body}"


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, _request, _address):
        pass  # a client that does not like our certificate


class ScriptedRegistry:
    """`answers[METHOD, PATH]` is (status, JSON), a function of the Request that returns one, or a
    list of those, of which the last stays. `requests` are all that have come.
    """

    def __init__(self, port, identity=None):
        """With an identity (support.authority) over TLS."""
        registry = self
        self.answers = {}
        self.requests = []
        self._lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self, body)
                registry._answer(self, request)

            do_GET = do_POST = do_PUT = do_DELETE = _serve

            def log_message(self, *_arguments):
                pass

        self._server = _Server(("", port), Handler)
        scheme, host = "http", "127.0.0.1"
        if identity:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(identity.certificate, identity.key)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme, host = "https", "localhost"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()
        self.url = f"{scheme}://{host}:{port}"

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def asked(self, method=None):
        return [(r.method, r.path) for r in self.requests if method in (None, r.method)]

    def _answer(self, handler, request):
        with self._lock:
            self.requests.append(request)
            answer = self.answers.get((request.method, request.path))
            if isinstance(answer, list):
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(request)
        if answer is None:
            answer = problem(404, "not-found", f"there is nothing at {request.path}")
        if hasattr(answer, "stream"):
            answer.stream(handler)
            return
        status, content = answer
        text = (
            b""
            if content is None
            else (content if isinstance(content, bytes) else json.dumps(content).encode())
        )
        kind = "application/json" if status < 400 else "application/problem+json"
        try:
            handler.send_response(status)
            handler.send_header("Content-Type", kind)
            handler.send_header("Content-Length", str(len(text)))
            handler.end_headers()
            handler.wfile.write(text)
        except OSError:
            pass  # whoever asked is gone


def problem(status, code, detail, **more):
    return status, {
        "type": "about:blank",
        "title": "No",
        "status": status,
        "code": code,
        "detail": detail,
        **more,
    }


class Stream:
    """An answer that goes on: the texts one by one, then, unless `hold` is set, its end."""

    def __init__(self, *texts, hold=None):
        self._texts = texts
        self._hold = hold

    def stream(self, handler):
        try:
            handler.send_response(200)
            handler.send_header("Content-Type", "text/event-stream")
            handler.send_header("Connection", "close")
            handler.end_headers()
            for text in self._texts:
                handler.wfile.write(text.encode())
                handler.wfile.flush()
            if self._hold:
                self._hold.wait(60)
        except OSError:
            pass
        handler.close_connection = True
