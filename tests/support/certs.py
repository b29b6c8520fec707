"""Certificates for tests, made by the openssl command line tool.

    ca = Authority(directory, "ours")          ca.pem, a path
    cert, key = ca.issue("server", names=["localhost", "127.0.0.1"])     paths
    old, key = ca.issue("old", days=-1)        expired
    cert, key = weak_pair(directory)           signed by itself, 1024 bits of RSA
"""
import datetime
import pathlib
import shutil
import subprocess

HAVE_OPENSSL = shutil.which("openssl") is not None


def openssl(*arguments, **how):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, timeout=60, **how)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def stamp(days):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return when.strftime("%Y%m%d%H%M%SZ")


CONFIG = """
[ca]
default_ca = here
[here]
database = {d}/index
new_certs_dir = {d}
serial = {d}/serial
default_md = sha256
policy = anything
unique_subject = no
email_in_dn = no
[anything]
commonName = supplied
[req]
distinguished_name = nobody
[nobody]
"""


class Authority:
    def __init__(self, directory, name):
        self.directory = pathlib.Path(directory) / name
        self.directory.mkdir(parents=True)
        (self.directory / "index").write_text("")
        (self.directory / "serial").write_text("01\n")
        self.config = self.directory / "ca.cnf"
        self.config.write_text(CONFIG.format(d=self.directory))
        self.key = self.new_key("ca")
        self.pem = self.directory / "ca.pem"
        openssl("req", "-new", "-x509", "-config", self.config, "-key", self.key, "-days", 30,
                "-subj", f"/CN={name} CA", "-addext", "basicConstraints=critical,CA:TRUE",
                "-out", self.pem)

    def new_key(self, name):
        path = self.directory / f"{name}.key"
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
        return path

    def issue(self, name, names=("localhost", "127.0.0.1"), days=30):
        """(certificate, key); |days| until its end, negative: it has ended."""
        key = self.new_key(name)
        request, cert = self.directory / f"{name}.csr", self.directory / f"{name}.pem"
        extensions = self.directory / f"{name}.ext"
        extensions.write_text("subjectAltName=" + ",".join(
            ("IP:" if one[0].isdigit() else "DNS:") + one for one in names) + "\n")
        openssl("req", "-new", "-config", self.config, "-key", key, "-subj", f"/CN={name}",
                "-out", request)
        openssl("ca", "-batch", "-notext", "-config", self.config, "-keyfile", self.key,
                "-cert", self.pem, "-in", request, "-out", cert, "-extfile", extensions,
                "-startdate", stamp(min(0, days) - 2), "-enddate", stamp(days))
        return cert, key


def weak_pair(directory):
    """(certificate, key) that fit, with a key nobody takes any more."""
    cert, key = pathlib.Path(directory) / "weak.pem", pathlib.Path(directory) / "weak.key"
    openssl("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-days", 3, "-subj", "/CN=weak",
            "-keyout", key, "-out", cert)
    return cert, key
