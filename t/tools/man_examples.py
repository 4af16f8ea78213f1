#!/usr/bin/env python3
"""man_examples.py PAGE DIR: run the transcripts in PAGE's EXAMPLES in DIR and compare what they print.

A transcript is a `.Bd -literal` block; `$ ` begins a command, the lines after it are its stdout.
`...` matches anything within a line, and any lines when it stands alone.
"""
import re
import subprocess
import sys

page, where = sys.argv[1:]
blocks, section, block = [], None, None
for line in open(page):
    line = line.rstrip("\n")
    if line.startswith(".Sh "):
        section = line[4:]
    elif section == "EXAMPLES" and line.startswith(".Bd"):
        block = []
    elif line.startswith(".Ed"):
        if block is not None:
            blocks.append(block)
        block = None
    elif block is not None:
        # Undo the few escapes that literal text needs in roff.
        text = re.sub(r"^\\&", "", line).replace("\\(aq", "'").replace("\\-", "-").replace("\\(dq", '"').replace("\\e", "\\")
        block.append(text)

bad = 0
for block in blocks:
    steps, i = [], 0
    while i < len(block):
        if block[i].startswith("$ "):
            command = block[i][2:]
            while command.endswith("\\") and i + 1 < len(block):
                i += 1
                command = command[:-1] + block[i].lstrip("> ")
            steps.append((command, []))
        elif steps:
            steps[-1][1].append(block[i])
        i += 1
    for command, want in steps:
        got = subprocess.run(["sh", "-c", command], cwd=where, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                             timeout=120)
        pattern = ""
        for line in want:
            if line.strip() == "...":
                pattern += r"(?:.*\n)*?"
            else:
                pattern += ".*?".join(re.escape(p) for p in line.split("...")) + r"\n"
        if not re.fullmatch(pattern, got.stdout):
            bad += 1
            print(f"{page}: $ {command}\n  page:\n    " + "\n    ".join(want) + "\n  prints:\n    " +
                  "\n    ".join(got.stdout.splitlines()) + ("\n  stderr: " + got.stderr.strip() if got.stderr else ""))
sys.exit(bad != 0)
