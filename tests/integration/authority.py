"""Certificates for a gateway and its hosts, and how the gateway names a host, as
docs/many-hosts.md has both."""

import subprocess

# Connections to it are kept, for no longer than 15 seconds.
UPSTREAM = """upstream xt-{name} {{
    server {address}:8443;
    keepalive 16;
    keepalive_timeout 15s;
}}
"""
EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


class Authority:
    """Signs certificates."""

    def __init__(self, folder, name):
        self.dir, self.name = folder, name
        self.pem = folder / f"{name}.pem"
        self.openssl("req", "-x509", "-nodes", "-days", "2",
                     "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                     "-out", self.pem, *EC)

    def openssl(self, *args):
        subprocess.run(["openssl", *map(str, args)], cwd=self.dir,
                       check=True, capture_output=True)

    def sign(self, cn, key, pem, names=()):
        extensions = self.dir / "extensions"
        extensions.write_text("subjectAltName=" + ",".join(
            f"DNS:{name}" for name in names) + "\n" if names else "")
        self.openssl("req", "-nodes", "-subj", f"/CN={cn}", "-keyout", key,
                     "-out", "request", *EC)
        self.openssl("x509", "-req", "-days", "2", "-in", "request",
                     "-CA", self.pem, "-CAkey", f"{self.name}.key",
                     "-CAcreateserial", "-extfile", extensions, "-out", pem)
