"""What a page of hg-report must be, read by parsers that are not ours.

usage: report_page.py form PAGE             well-formed, self-contained, accessible; prints its size
       report_page.py numbers PAGE LEDGER   its numbers are those of ledger.jsonl, computed again
       report_page.py tried PAGE LEDGER SPEC  what was tried by key is that of ledger.jsonl, and drawn where it belongs
       report_page.py cost PAGE LEDGER      what was spent, on what, and for each find, is the sum of its rows
       report_page.py colours PAGE          contrast of every text colour on every ground, light and dark; marks told apart
       report_page.py requests PAGE         name, state and lane of each request on a campaign's page, a line each
       report_page.py admits PAGE NAME      the command that the page has for admitting a request
       report_page.py text PAGE             all text that a reader sees, a line a piece
"""
import html.parser
import json
import math
import re
import sys
import xml.etree.ElementTree

VOID = {"meta", "br", "link", "img", "input", "hr"}
CSP = "default-src 'none'; style-src 'unsafe-inline'"


class Page(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.stack, self.ids, self.links, self.tags, self.pieces, self.headings = [], [], [], [], [], []
        self.rows, self.cell, self.axis, self.stairs, self.charts = [], None, [], [], []
        self.feed(text)
        self.close()
        assert not self.stack, f"left open: {self.stack}"

    def inside(self, tag, name=None):
        return any(t == tag and (name is None or name in a.get("class", "").split()) for t, a in self.stack)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        assert len(a) == len(attrs), f"an attribute twice on {tag}"
        self.tags.append((tag, a))
        if "id" in a:
            self.ids.append(a["id"])
        if "href" in a:
            self.links.append(a["href"])
        assert all(not k.startswith("on") for k in a), a
        assert "src" not in a and "srcset" not in a and "xlink:href" not in a, a
        assert "url(" not in a.get("style", ""), a
        if tag == "svg" and "chart" in a.get("class", "") and self.inside("figure", "history"):
            self.charts.append({"ticks": self.axis, "stairs": []})
            self.axis = []
        if tag == "line" and a.get("class") == "stair" and self.inside("svg", "chart"):
            self.charts[-1]["stairs"].append(a)
        if tag == "tr":
            self.rows.append({"id": a.get("id"), "cells": [], "data": []})
        if tag in ("td", "th") and self.rows:
            self.rows[-1]["cells"].append({"class": a.get("class", ""), "text": "", "data": [],
                                           "reason": a.get("data-reason")})
        if tag == "data" and self.inside("tr") and self.rows:
            self.rows[-1]["cells"][-1]["data"].append(float(a["value"]))
        if tag not in VOID:
            self.stack.append((tag, a))

    def handle_endtag(self, tag):
        assert self.stack and self.stack[-1][0] == tag, f"</{tag}> after {[t for t, _ in self.stack[-3:]]}"
        self.stack.pop()

    def handle_data(self, data):
        if self.inside("style"):
            return
        if data.strip():
            self.pieces.append(data)
        if self.stack and self.stack[-1][0] in ("h1", "h2", "h3"):
            self.headings.append(int(self.stack[-1][0][1]))
        if self.inside("tr") and self.rows and self.rows[-1]["cells"]:
            self.rows[-1]["cells"][-1]["text"] += data
        if self.stack and self.stack[-1][0] == "text" and self.inside("svg", "scores") and self.inside("figure", "history"):
            y = float(self.stack[-1][1]["y"])
            if data != "out":
                self.axis.append((y, float(data)))


def form(text):
    p = Page(text)
    assert text.startswith("<!doctype html>\n<html lang=\"en\">")
    assert len(set(p.ids)) == len(p.ids), "ids twice"
    for link in p.links:
        assert link.startswith("#"), f"leads outside: {link}"
        assert link[1:] in p.ids, f"leads nowhere: {link}"
    metas = [a for t, a in p.tags if t == "meta"]
    assert any(a.get("content") == CSP and a.get("http-equiv") == "Content-Security-Policy" for a in metas)
    assert any(a.get("name") == "viewport" for a in metas)
    names = {t for t, _ in p.tags}
    assert not names & {"script", "iframe", "object", "embed", "img", "link", "form", "base", "foreignobject"}, names
    style = re.search(r"<style>(.*?)</style>", text, re.S).group(1)
    assert "@import" not in style and not re.findall(r"url\((?!#)", style)
    assert not re.search(r"https?:|//[a-z]", re.sub(r"[^\n]*</?(?:code|td|li|p|h1)\b.*", "", style)), "address in the style"
    assert p.headings[0] == 1 and p.headings.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(p.headings, p.headings[1:])), p.headings
    assert sum(t == "title" for t, _ in p.tags) >= 1 and sum(t == "main" for t, _ in p.tags) == 1
    for t, a in p.tags:
        if t == "svg" and a.get("role") == "img":
            assert a.get("aria-label") or all(i in p.ids for i in a["aria-labelledby"].split()), a
        elif t == "svg" and "width" in a and "viewbox" not in a:
            assert a.get("aria-hidden") == "true", a
        if t == "th":
            assert a.get("scope") in ("row", "col", "rowgroup"), a
        if a.get("role") == "region":
            assert a.get("aria-labelledby") in p.ids and a.get("tabindex") == "0", a
    depth, start = 0, 0
    for m in re.finditer(r"<svg\b|</svg>", text):
        start = m.start() if depth == 0 else start
        depth += 1 if m.group() == "<svg" else -1
        if depth == 0:
            xml.etree.ElementTree.fromstring(text[start:m.end()])
    print(len(text.encode()))


def approx(a, b, tolerance):
    assert abs(a - b) <= tolerance, (a, b)


def numbers(text, path):
    rows = [json.loads(line) for line in open(f"{path}/ledger.jsonl", encoding="utf-8")]
    p = Page(text)
    shown = {r["id"]: r for r in p.rows if r["id"]}
    metric = [r for r in rows if r["kind"] == "policy"][-1]["policy"]["metric"]["name"]
    compared = 0
    for row in rows:
        tr = shown.get(f"r{row['row']}")
        if tr is None or row["kind"] != "run":
            continue
        cells, run, v = tr["cells"], row["run"], row["verdict"]
        score = run["metrics"][metric]
        assert cells[0]["text"] == str(row["row"])
        assert cells[3]["data"] == ([] if score is None else [score]), (cells[3], score)
        if score is not None:
            assert cells[3]["text"] == f"{score:.5f}"
        assert cells[4]["data"] == ([] if v["gain"] is None else [v["gain"]])
        total = run["metrics"]["total_bytes"]
        assert cells[5]["data"] == ([] if total is None else [total])
        assert total is None or cells[5]["text"] == f"{total:,}"
        assert cells[6]["data"] == ([] if run["metrics"]["train_ms"] is None else [run["metrics"]["train_ms"]])
        assert cells[7]["reason"] == v["reason"] and v["class"] in cells[7]["text"]
        compared += 1
    for row in rows:
        if row["kind"] != "confirmation" or f"r{row['row']}" not in shown:
            continue
        data = [x for c in shown[f"r{row['row']}"]["cells"] for x in c["data"]]
        v, own, said = row["verdict"], row["confirmation"], " ".join(c["text"] for c in shown[f"r{row['row']}"]["cells"])
        if v.get("odds") is not None:
            pairs = len(own["challenger_runs"])
            assert pairs == len(own["incumbent_runs"]) == v["runs"] and f"{pairs} pair{'s' if pairs > 1 else ''}" in said, said
            x = v["odds"] if v["odds"] >= 1 else 1 / v["odds"]
            odds = "more than a million" if x >= 1e6 else f"{x:,.0f}" if x >= 10 else f"{x:.2g}"
            against = "" if v["odds"] >= 1 else " against it"
            assert f"{odds} to 1{against}asked for {1 / v['level']:,.0f} to 1" in said.replace("\u00a0", " "), (odds, said)
        assert data == [x for x in (v["gain"], v["gain_lower"], v["gain_upper"]) if x is not None], (data, v)
        compared += 1
    # The last group's incumbent is the page's best.
    last = [r for r in rows if r.get("incumbent_after")]
    if last:
        best = re.search(r'id="best"><data value="([^"]*)">', text).group(1)
        assert float(best) == last[-1]["incumbent_after"]["score"]
        # What became of each configuration but the first, counted once.
        ours = last[-1][last[-1]["kind"]]
        group = ours["group_sha256"]
        fate, first, screens = {}, None, {}
        for r in rows:
            own, v = r.get(r["kind"], {}), r.get("verdict", {})
            if r["kind"] == "confirmation" and own["group_sha256"] == group:
                name = {"improvement": "confirmed better", "regression": "worse"}.get(v["class"], "no better")
                name = "given up" if v["reason"] == "abandoned" else name
                fate.setdefault(own["challenger_sha256"], set()).add(name)
            elif r["kind"] == "run" and (own["group_sha256"] == group or own["group_sha256"] is None and
                                         (own["lane"], own["cap_ms"]) == (ours["lane"], ours["cap_ms"])):
                first = own["config_sha256"] if v["reason"] == "first" else first
                if v["reason"] in ("second_wanted", "within_noise", "promising", "worse", "guarded_metric"):
                    screens[own["config_sha256"]] = screens.get(own["config_sha256"], 0) + 1
                fate.setdefault(own["config_sha256"], set()).add(
                    "never counted" if v["class"] in ("blocked", "invalid") else "worse" if v["class"] == "regression" else
                    "open" if v["reason"] == "promising" else "once" if v["reason"] == "second_wanted" else "no better" if v["reason"] == "within_noise" else "not judged")
        fate.pop(first, None)
        tried = {}
        for config, names in fate.items():
            if "once" in names:
                names = names - {"once"} | ({"waiting for a second run"} if screens[config] == 1 else {"not judged"})
            for name in ("confirmed better", "waiting for a second run", "worse", "no better", "not judged", "never counted"):
                if "open" in names and "given up" in names:
                    names = names - {"open"} | {"not judged"}
                if "open" in names and not names & {"confirmed better", "worse", "no better"}:
                    name = "waiting"
                if name == "waiting" or name in names:
                    tried[name] = tried.get(name, 0) + 1
                    break
        said = re.search(r'id="tried">Tried so far: (\d+) [^;]*; ([^<]*)\.<', text)
        assert bool(said) == bool(tried)
        if said:
            assert int(said.group(1)) == len(fate), (said.group(1), len(fate))
            have = {k: int(n) for n, k in re.findall(r"(\d+) ([a-z ]+)", said.group(2))}
            assert have == tried, (have, tried)
    # The staircase of the first picture: each stretch with one standing, in order, read back through the axis.
    if last and p.charts:
        of = lambda r: (r[r["kind"]]["group_sha256"], r[r["kind"]]["lane"], r[r["kind"]]["cap_ms"])
        key = of(last[-1])
        want = []
        for r in last:
            if of(r) == key and (not want or want[-1] != r["incumbent_after"]["score"]):
                want.append(r["incumbent_after"]["score"])
        # A riser stands in one place; one of less than a tenth of a pixel looks flat.
        ticks, flat = p.charts[0]["ticks"], [a for a in p.charts[0]["stairs"] if a["x1"] != a["x2"]]
        (y0, v0), (y1, v1) = ticks[0], ticks[-1]
        per = (v1 - v0) / (y1 - y0)
        have = [v0 + (float(a["y1"]) - y0) * per for a in flat]
        assert len(have) == len(want), (len(have), len(want))
        for a, b in zip(have, want):
            approx(a, b, 0.2 * abs(per) + 1e-12)
    print(compared)


def tried(text, path, defaults):
    """Prints how many keys of the axis judged last were compared."""
    rows = [json.loads(line) for line in open(f"{path}/ledger.jsonl", encoding="utf-8")]
    defaults = json.load(open(defaults, encoding="utf-8"))["properties"]
    default = lambda key: defaults[key.split(".")[0]]["properties"][key.split(".")[1]].get("default")
    unit = lambda key: defaults[key.split(".")[0]]["properties"][key.split(".")[1]].get("x-unit")
    metric = [r for r in rows if r["kind"] == "policy"][-1]["policy"]["metric"]["name"]
    # No score that the law sets aside is anybody's best.
    aside = {"starved"}
    runs = [r for r in rows if r["kind"] == "run" and r["run"].get("settings") is not None]
    keys = {k for r in runs for k in r["run"]["settings"]}
    of = {key: [(r["run"]["settings"].get(key, default(key)), r) for r in runs] for key in keys}
    of = {key: list_ for key, list_ in of.items() if len({json.dumps(v) for v, _ in list_}) > 1}
    section = text[text.index('<section aria-labelledby="hk">'):]
    section = section[:section.index("</section>")]
    figures = dict(re.findall(r'<figure class="key"><figcaption><b>([^<]*)</b>(.*?)</figure>', section, re.S))
    assert figures.keys() == of.keys(), (figures.keys(), of.keys())
    for key, list_ in of.items():
        body = figures[key]
        shown = {}
        for value, _, count, best, what in re.findall(r'<tr><th scope="row"><code>([^<]*)</code>(.*?)</th><td class="n">(\d+)(.*?)</td>'
                                                      r'<td>([^<]*)</td></tr>', body, re.S):
            shown[value] = (int(count), best, what)
        name = lambda v: v if isinstance(v, str) else json.dumps(v)
        assert shown.keys() == {name(v) for v, _ in list_}, (key, shown.keys())
        for value, (count, best, what) in shown.items():
            own = [r for v, r in list_ if name(v) == value]
            assert count == len(own), (key, value, count, len(own))
            counts = [r for r in own if r["verdict"]["class"] not in ("blocked", "invalid") and
                      r["verdict"]["reason"] not in aside and r["run"]["metrics"][metric] is not None]
            out = re.search(r'class="sub">(\d+) out<', best)
            assert (int(out.group(1)) if out else 0) == len(own) - len(counts), (key, value, best)
            have = re.search(r'<data value="([^"]*)">', best)
            assert bool(have) == bool(counts)
            if counts:
                assert float(have.group(1)) == min(r["run"]["metrics"][metric] for r in counts), (key, value, best)
            # Each configuration once, the first as such.
            first = [r for r in own if r["verdict"]["reason"] == "first"]
            others = {r["run"]["config_sha256"] for r in own} - {r["run"]["config_sha256"] for r in rows
                                                                 if r.get("verdict", {}).get("reason") == "first"}
            assert ("the first" in what) == bool(first), (key, value, what)
            assert sum(int(n) for n in re.findall(r"(\d+) [a-z]", what)) == len(others), (key, value, what, len(others))
            better = {r["confirmation"]["challenger_sha256"] for r in rows if r["kind"] == "confirmation" and
                      r["verdict"]["class"] == "improvement"} & others
            said = re.search(r"(\d+) confirmed better", what)
            assert (int(said.group(1)) if said else 0) == len(better), (key, value, what)
        # Marks stand where their value is, down as the axis has it.
        axis = [(float(y), float(v)) for y, v in re.findall(r'<text x="50" y="([0-9.]+)" dy=".35em">([0-9.]+)<', body)]
        (y0, v0), (y1, v1) = axis[0], axis[-1]
        by_row = {r["row"]: (v, r) for v, r in list_}
        numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v, _ in list_)
        low, high = (min(v for v, _ in list_), max(v for v, _ in list_)) if numbers else (0, 0)
        logs = numbers and low > 0 and high / low > 30
        assert ("logarithmic" in body) == logs, (key, low, high)
        marks = re.findall(r'<use href="#m(\d)" class="k\1" x="([0-9.]+)%" y="([0-9.]+)"><title>#(\d+) ', body)
        assert len(marks) >= 0.8 * sum(r["verdict"]["class"] not in ("blocked", "invalid") for _, r in list_), (key, len(marks))
        for _, x, y, row in marks:
            value, r = by_row[int(row)]
            approx(v0 + (float(y) - y0) * (v1 - v0) / (y1 - y0), r["run"]["metrics"][metric], 0.2 * abs((v1 - v0) / (y1 - y0)))
            if numbers:
                at = math.log(value / low) / math.log(high / low) if logs else (value - low) / (high - low)
                approx(float(x), 4 + 92 * at, 0.02)
        for a in marks:
            for b in marks:
                assert (a[1] == b[1]) == (by_row[int(a[3])][0] == by_row[int(b[3])][0]), (key, a, b)
        assert unit(key) is None or re.search(f">{unit(key)}(, logarithmic)?</text>", body), key
        assert re.search(r'<text class="over" y="12">(bits per byte|nats per token)<', body)
    print(len(figures))


def cost(text, path):
    """Prints how many finds were compared."""
    rows = [json.loads(line) for line in open(f"{path}/ledger.jsonl", encoding="utf-8")]
    runs = [r for r in rows if r["kind"] == "run"]
    finds = [r for r in rows if r["kind"] == "confirmation" and r["verdict"]["class"] == "improvement"]

    def purpose(r):
        v = r["verdict"]
        if v["plan_sha256"] is not None:
            return "confirmation"
        if v["class"] in ("blocked", "invalid") and v["reason"] != "outrun" or v["reason"] == "starved":
            return "nothing that counts"
        return "calibration" if v["reason"] in ("first", "replicate") else "screening"

    def spent(of):
        known = [r["run"]["cost_ms"] for r in of if r["run"]["cost_ms"] is not None]
        return len(of), sum(known)

    line = re.search(r'<p class="cost" id="cost">(.*?)</p>', text, re.S).group(1)
    spans = r'<span class="spent" data-runs="(\d+)" data-ms="(\d+)">([^<]*)</span>'
    have = [(int(n), int(ms)) for n, ms, _ in re.findall(spans, line)]
    assert have[0] == spent(runs), (have, spent(runs))
    went = {k: (int(n), int(ms)) for k, n, ms, _ in re.findall(r"([a-z][a-z ]*): " + spans, line.replace("It went into ", ""))}
    kinds = {purpose(r) for r in runs}
    assert went == {k: spent([r for r in runs if purpose(r) == k]) for k in kinds}, went
    for n, ms, said in re.findall(spans, text):
        assert re.match(r"[0-9,]+ runs?", said) and int(said.split()[0].replace(",", "")) == int(n)
        amount = re.search(r"([0-9.]+) (s|min|h)\b", said)
        if amount:
            off = {"s": 1000, "min": 60000, "h": 360000}[amount.group(2)]
            approx(float(amount.group(1)) * {"s": 1, "min": 60, "h": 3600}[amount.group(2)] * 1000, int(ms), off)
        else:
            assert "not known" in said and any(r["run"]["cost_ms"] is None for r in runs), said
    if not finds:
        assert "None found yet." in line and len(have) == 1 + len(kinds)
    else:
        each = len(runs) / len(finds)
        assert f"{len(finds)} confirmed improvement" in line and f"one for every {each:.1f} runs" in line, line
        assert have[-1] == spent([r for r in runs if r["row"] > finds[-1]["row"]])
    # Each find: the runs on its axis since the one before it.
    of = lambda r: (r[r["kind"]]["lane"], r[r["kind"]]["cap_ms"], r[r["kind"]]["group_sha256"])
    compared = 0
    for find in finds:
        row = re.search(rf'<tr id="r{find["row"]}">(.*?)</tr>', text, re.S)
        if not row:
            continue
        n, ms, _ = re.search(r'<div class="sub cost">cost ' + spans, row.group(1)).groups()
        before = max([f["row"] for f in finds if f["row"] < find["row"] and of(f) == of(find)], default=0)
        own = [r for r in runs if before < r["row"] < find["row"] and
               (of(r) == of(find) or r["run"]["group_sha256"] is None and of(r)[:2] == of(find)[:2])]
        assert (int(n), int(ms)) == spent(own), (find["row"], n, ms, spent(own))
        compared += 1
    print(compared)


def parts_of(colour):
    if len(colour) == 4:
        colour = "#" + "".join(2 * c for c in colour[1:])
    return [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]


def luminance(colour):
    parts = parts_of(colour)
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(a, b):
    a, b = sorted((luminance(a), luminance(b)), reverse=True)
    return (a + 0.05) / (b + 0.05)


# What people without one kind of cone see of linear RGB (Machado, Oliveira and Fernandes 2009, severity 1).
SEEN_BY = {"all cones": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
           "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
           "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881)),
           "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.3039))}


def lab(colour, eyes):
    """CIE L*a*b* of a colour as those eyes see it."""
    times = lambda rows, v: [sum(x * y for x, y in zip(row, v)) for row in rows]
    rgb = times(SEEN_BY[eyes], [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts_of(colour)])
    xyz = times(((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505)), [min(1, max(0, c)) for c in rgb])
    f = [v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (xyz[0] / 0.9505, xyz[1], xyz[2] / 1.089)]
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def apart(a, b, eyes):
    return sum((x - y) ** 2 for x, y in zip(lab(a, eyes), lab(b, eyes))) ** 0.5


def colours(text):
    style = re.search(r"<style>(.*?)</style>", text, re.S).group(1)
    schemes = [dict(re.findall(r"(--[a-z0-9-]+):\s*(#[0-9a-f]+)", block.replace("\n", "")))
               for block in re.findall(r":root\{(.*?)\}", style, re.S)]
    assert len(schemes) == 3, "light, dark and print"
    for scheme in schemes:
        assert scheme.keys() == schemes[0].keys()
        for ink in (k for k in scheme if k.startswith("--ink")):
            for paper in (k for k in scheme if k.startswith("--paper")):
                ratio = contrast(scheme[ink], scheme[paper])
                assert ratio >= 4.5, (ink, paper, ratio)
        marks = ("--good", "--bad", "--wait", "--dot")
        for mark in marks:
            assert contrast(scheme[mark], scheme["--paper"]) >= 3, (mark, contrast(scheme[mark], scheme["--paper"]))
        for eyes in SEEN_BY:
            for a in marks:
                for b in marks[:marks.index(a)]:
                    assert apart(scheme[a], scheme[b], eyes) >= 20, (a, b, eyes, apart(scheme[a], scheme[b], eyes))
    # Text is painted with those colours alone.
    for rule in re.findall(r"[;{]color:([^;}]*)", style.replace("\n", "")):
        assert rule.startswith("var(--ink"), rule
    for selector, body in re.findall(r"([^{}]*)\{([^{}]*)\}", style.replace("\n", "")):
        if "text" in selector.split("{")[-1] or ".now" in selector:
            for fill in re.findall(r"fill:([^;]*)", body):
                assert fill.startswith("var(--ink"), (selector, fill)
    print("ok")


def request_rows(text):
    """By heading; each of them counts its rows."""
    root = xml.etree.ElementTree.fromstring(f"<r>{re.search('<table class=.requests.*?</table>', text, re.S)[0]}</r>")
    for body in root.iter("tbody"):
        rows = list(body.iter("tr"))
        assert int(re.search(r": ([0-9]+)", "".join(rows[0].itertext()))[1]) == len(rows) - 1, rows[0]
        yield from rows[1:]


def requests(text):
    for row in request_rows(text):
        print(row.find("th/span").text, row.get("data-state"), row.find("td[@class='lane']").text, sep="\t")


def admits(text, name):
    row, = (r for r in request_rows(text) if r.find("th/span").text == name)
    print(row.find(".//details/code").text)


if __name__ == "__main__":
    page = open(sys.argv[2], encoding="utf-8").read()
    if sys.argv[1] == "form":
        form(page)
    elif sys.argv[1] == "numbers":
        numbers(page, sys.argv[3])
    elif sys.argv[1] == "cost":
        cost(page, sys.argv[3])
    elif sys.argv[1] == "tried":
        tried(page, sys.argv[3], sys.argv[4])
    elif sys.argv[1] == "requests":
        requests(page)
    elif sys.argv[1] == "admits":
        admits(page, sys.argv[3])
    elif sys.argv[1] == "colours":
        colours(page)
    else:
        print("\n".join(Page(page).pieces))
