"""nginx with its stream module."""

import os

from .machine import said
from .peer import SUITE, TLS, Configured

_MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"


class Nginx(Configured):
    name, title = "nginx", "nginx stream mTLS"
    executable = "nginx"
    command = ("{program}", "-e", "stderr", "-p", "{room}", "-c", "{file}")
    detail = f"{TLS}, sessions resumed, reuseport"

    def missing(self):
        missing = super().missing()
        if missing or os.path.exists(_MODULE):
            return missing
        built = said([self.path(), "-V"])
        return None if "--with-stream " in built else "nginx's stream module"

    def configuration(self, place, room, side, hops):
        load = f"load_module {_MODULE};\n" if os.path.exists(_MODULE) else ""
        text = f"{load}daemon off;\npid {room}/{side}.pid;\nerror_log stderr crit;\n"
        text += f"worker_processes {place.workers};\nworker_rlimit_nofile {place.descriptors};\n"
        text += f"events {{ worker_connections {place.descriptors - 200}; }}\n"
        text += "stream {\nproxy_timeout 1h;\n" + self._tls(place, side)
        listen = "reuseport backlog=4096" + (" ssl" if side == "target" else "")
        for here, there in hops:
            text += (
                f"server {{ listen 127.0.0.1:{here} {listen}; proxy_pass 127.0.0.1:{there}; }}\n"
            )
        return text + "}\n"

    @staticmethod
    def _tls(place, side):
        identity = place.identity(side)
        prefix = "proxy_ssl" if side == "source" else "ssl"
        text = f"{prefix}_certificate {identity['certificate']};\n"
        text += f"{prefix}_certificate_key {identity['key']};\n{prefix}_protocols TLSv1.2;\n"
        text += f"{prefix}_ciphers {SUITE};\n"
        if side == "source":
            text += "proxy_ssl on;\nproxy_ssl_verify on;\nproxy_ssl_name target;\n"
            text += (
                f"proxy_ssl_trusted_certificate {identity['ca']};\nproxy_ssl_session_reuse on;\n"
            )
        else:
            text += f"ssl_verify_client on;\nssl_client_certificate {identity['ca']};\n"
            text += "ssl_session_cache shared:sessions:4m;\n"
        return text
