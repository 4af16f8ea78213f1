"""Look at a page through headless Chromium, in a frame of a given width: does it overflow, is there something to see?

usage: report_look.py PAGE WIDTH light|dark

Prints scroll width, height, how many marks and texts have a place on the page, and the colour of the ground.
"""
import json
import os
import re
import subprocess
import sys
import tempfile

PROBE = """<!doctype html><meta charset="utf-8"><body style="margin:0"><pre id="out">nothing</pre>
<iframe id="f" src="file://%s" style="border:0;width:%dpx;height:2000px"></iframe><script>
document.getElementById("f").onload = function () {
	var d = this.contentDocument, seen = 0, wide = [], e = d.documentElement;
	d.querySelectorAll("use, text, td, p").forEach(function (x) {
		var r = x.getBoundingClientRect();
		if (r.width > 0 && r.height > 0) seen++;
	});
	d.querySelectorAll("main > *, header, footer, article, figure, h1, h2, .scroll").forEach(function (x) {
		if (x.getBoundingClientRect().right > e.clientWidth + 1) wide.push(x.tagName + "." + x.className);
	});
	document.getElementById("out").textContent = JSON.stringify({wide: wide, scroll: e.scrollWidth, client: e.clientWidth,
		height: e.scrollHeight, seen: seen, ground: getComputedStyle(d.body).backgroundColor,
		ink: getComputedStyle(d.body).color});
};
</script>"""

page, width, scheme = os.path.realpath(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
with tempfile.TemporaryDirectory() as d:
    with open(f"{d}/probe.html", "w", encoding="utf-8") as f:
        f.write(PROBE % (page, width))
    dom = subprocess.run(
        [os.environ.get("CHROMIUM", "chromium"), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={d}/profile",
         "--allow-file-access-from-files", f"--blink-settings=preferredColorScheme={1 if scheme == 'light' else 0}",
         f"--window-size={max(width, 500)},2000", "--virtual-time-budget=5000", "--dump-dom", f"file://{d}/probe.html"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=120, check=True).stdout
found = re.search(r'<pre id="out">(.*?)</pre>', dom, re.S).group(1)
look = json.loads(found.replace("&gt;", ">"))
rgb = [int(x) for x in re.findall(r"\d+", look["ground"])[:3]]
assert (sum(rgb) > 600) == (scheme == "light"), (rgb, scheme)
assert look["scroll"] <= look["client"] <= width and not look["wide"], look
print(json.dumps(look))
