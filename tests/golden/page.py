#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
#
# Holds a page that --html made against the document that --json printed.
#
#	tests/golden/page.py PAGE JSON REST
#	tests/golden/page.py --hostile RECORDING >HOSTILE
#
# A browser's view of it: one style, one block of data, one script; a policy that lets run
# these two and nothing else; no attribute that runs or fetches anything. The data is the
# document, to the last digit. REST gets all but the data, which is to be the same of every
# page. Prints what is not so; the exit status is 1 then.
#
# --hostile gives the keys of a recording (as JSON lines) names that would do harm if they
# were anything but text.
import base64
import hashlib
import html.parser
import json
import re
import sys

LARGEST = 400 << 10  # of all but the data
NAMES = [
    "</script><script>alert(1)</script>",
    "</SCRIPT ><img src=x onerror=alert(1)>",
    "<!--<script>",
    "--><svg/onload=alert(1)>",
    "]]>&lt;b&gt;&amp;&quot;",
    "line\u2028and\u2029paragraph",
    "\u202egnihtyna\u2066\u2069",
    "nul\0nul",
    "'\"`${alert(1)}\\u003c\\",
    "javascript:alert(1)//{{1}}%3Cb%3E",
    "@REPORT@ @SCRIPT@ @POLICY@",
    "<" * 4000,
    "\ufeff\u200b\ud7ff\U0010ffff",
]
BYTES = [b"\xff\xfe</script>", b"\xe2\x80<b>", b"\x1b[2J<!--", b"\xc0\xbc/script>"]


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.parts = []  # (tag, attributes, content)
        self.bad = []
        self.policy = None
        self.inside = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        for name, value in attrs:
            if name.startswith("on") or name in ("style", "src", "srcdoc", "action"):
                self.bad.append(f"<{tag}> has {name}={value}")
            if name == "href" and not value.startswith("#"):
                self.bad.append(f"<{tag}> leads to {value}")
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]
        if tag in ("script", "style"):
            self.inside = (tag, attributes, "")

    def handle_data(self, data):
        if self.inside:
            self.inside = (*self.inside[:2], self.inside[2] + data)

    def handle_endtag(self, tag):
        if self.inside and tag == self.inside[0]:
            self.parts.append(self.inside)
            self.inside = None


def hash_of(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


def complaints(text, document):
    page = Page(text)
    yield from page.bad
    tags = [(tag, attributes) for tag, attributes, _ in page.parts]
    if tags != [
        ("style", {}),
        ("script", {"type": "application/json", "id": "report"}),
        ("script", {}),
    ]:
        yield f"its parts are {tags}"
        return
    style, data, script = (content for _, _, content in page.parts)
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"script-src {hash_of(script)}; style-src {hash_of(style)}"
    )
    if page.policy != policy:
        yield f"its policy is {page.policy}, not {policy}"
    if re.search("[<\u2028\u2029]", data):
        yield "the data has what could end it"
    if re.search("</?script|<!--|]]>", script, re.IGNORECASE):
        yield "the script has what could end it"
    # as they are written: 0.1 and 0.10 are two
    numbers = {"parse_float": str, "parse_int": str}
    if json.loads(data, **numbers) != json.loads(document, **numbers):
        yield "the data is not the document"


def check(page, document, rest):
    with open(page, encoding="utf-8", newline="") as file:
        text = file.read()
    with open(document, encoding="utf-8", newline="") as file:
        bad = list(complaints(text, file.read()))
    constant = re.sub('(<script type="application/json" id="report">).*?(</script>)', r"\1\2", text,
                      count=1, flags=re.DOTALL)
    if len(constant.encode()) > LARGEST:
        bad.append(f"{len(constant.encode())} bytes are the same in every page")
    with open(rest, "w", encoding="utf-8", newline="") as file:
        file.write(constant)
    for line in bad[:5]:
        print(line[:300])
    return bool(bad)


def hostile(recording):
    names = [name.encode("utf-8", "surrogatepass") for name in NAMES] + BYTES
    count = 0
    with open(recording, encoding="utf-8") as file:
        for line in file:
            record = json.loads(line)
            for field in ("key", "client", "client_name"):
                if record.get(field):
                    name = names[count % len(names)] + b":%d" % (count % 40)
                    del record[field]
                    record[field + "_base64"] = base64.b64encode(name).decode()
                    count += 1
            print(json.dumps(record))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "--hostile":
        hostile(sys.argv[2])
    elif len(sys.argv) == 4:
        sys.exit(check(*sys.argv[1:]))
    else:
        sys.exit("usage: page.py PAGE JSON REST | --hostile RECORDING")
