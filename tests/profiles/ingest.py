#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A stand-in for those who keep profiles: Pyroscope's POST /ingest and Parca's POST
/api/profiles/writeraw. What comes is checked as far as they do, and kept.

    tests/profiles/ingest.py DIR [--tls CERT KEY] [--token TOKEN] [--answers CODE,CODE...]

Prints its port. Each profile is DIR/N.pb.gz, with what came beside it in DIR/N.json; DIR/log has a
line a request. --answers: the first requests are answered so, all others as they are found.
"""
import argparse
import base64
import email.parser
import email.policy
import http.server
import json
import os
import ssl
import urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("dir")
parser.add_argument("--tls", nargs=2)
parser.add_argument("--token")
parser.add_argument("--answers", default="")
options = parser.parse_args()
answers = [int(code) for code in options.answers.split(",") if code]
kept = 0


class Refused(Exception):
    pass


def keep(profile, beside):
    global kept
    if profile[:2] != b"\x1f\x8b":
        raise Refused("it is not gzipped")
    kept += 1
    with open(os.path.join(options.dir, f"{kept}.pb.gz"), "wb") as file:
        file.write(profile)
    with open(os.path.join(options.dir, f"{kept}.json"), "w", encoding="utf-8") as file:
        json.dump(beside, file)


def pyroscope(query, headers, body):
    """A form; name, from and until are required, and a form's parts are files."""
    asked = {name: values[0] for name, values in urllib.parse.parse_qs(query, strict_parsing=True).items()}
    if asked["format"] != "pprof" or int(asked["from"]) >= int(asked["until"]):
        raise Refused("format, from or until")
    head = b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n"
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    parts = {part.get_param("name", header="content-disposition"): part for part in form.iter_parts()}
    if not all(part.get_filename() for part in parts.values()):
        raise Refused("a part is no file")
    asked["sample_type_config"] = json.loads(parts["sample_type_config"].get_payload(decode=True))
    keep(parts["profile"].get_payload(decode=True), asked)


def parca(_query, headers, body):
    if headers["Content-Type"] != "application/json":
        raise Refused("it is no JSON")
    asked = json.loads(body)
    series, = asked["series"]
    labels = {label["name"]: label["value"] for label in series["labels"]["labels"]}
    if not labels["__name__"]:
        raise Refused("no __name__")
    sample, = series["samples"]
    keep(base64.b64decode(sample["rawProfile"], validate=True), labels)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, code, text):
        body = text.encode()
        self.send_response(code)
        if code == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        place = urllib.parse.urlsplit(self.path)
        by = {"/ingest": pyroscope, "/api/profiles/writeraw": parca}.get(place.path)
        code, text = 200, "{}"
        if answers:
            code, text = answers.pop(0), "not \x1b[31mnow"
        elif options.token and self.headers.get("Authorization") != options.token:
            code, text = 401, "who are you?"
        elif not by:
            code, text = 404, "nothing is here"
        else:
            try:
                by(place.query, self.headers, body)
            except (Refused, KeyError, ValueError) as why:
                code, text = 400, repr(why)
        with open(os.path.join(options.dir, "log"), "a", encoding="utf-8") as log:
            log.write(f"{place.path} {code} {self.headers.get('User-Agent')}\n")
        self.answer(code, text)


server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
if options.tls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*options.tls)
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
