#!/usr/bin/env python3
"""In ptxas's place, called as it is: -arch=sm_NN -o CUBIN PTX. Writes an ELF file that has the kernels of the PTX and
no code. FAKE_PTXAS may say what is wrong with it: `machine`, `architecture`, `kernel`, `class`, or `truncated`."""
import os
import re
import struct
import sys

arch, cubin, ptx = sys.argv[1], sys.argv[3], sys.argv[4]
wrong = os.environ.get("FAKE_PTXAS", "")
with open(ptx, encoding="ascii") as source:
    kernels = re.findall(r"\.entry\s+(\w+)", source.read())
if wrong == "kernel":
    kernels = ["another"]

SM = int(re.sub(r"\D", "", arch)) + (1 if wrong == "architecture" else 0)
names, symbols, code = b"\0", bytes(24), bytes(16)
for kernel in kernels:
    # A global function in section 1.
    symbols += struct.pack("<IBBHQQ", len(names), 0x12, 0, 1, 0, len(code))
    names += kernel.encode() + b"\0"
at, sections = 64, [bytes(64)]
for kind, flags, link, entry, data in ((1, 6, 0, 0, code), (2, 0, 3, 24, symbols), (3, 0, 0, 0, names)):
    sections.append(struct.pack("<IIQQQQIIQQ", 0, kind, flags, 0, at, len(data), link, 0, 1, entry))
    at += len(data)
ident = b"\x7fELF" + bytes([1 if wrong == "class" else 2, 1, 1, 65, 8]) + bytes(7)
machine = 62 if wrong == "machine" else 190
header = ident + struct.pack(
    "<HHIQQQIHHHHHH", 2, machine, 1, 0, 0, at, SM << 8 | 0x06000004, 64, 0, 0, 64, len(sections), 0)
elf = header + code + symbols + names + b"".join(sections)
with open(cubin, "wb") as out:
    out.write(elf[:-20] if wrong == "truncated" else elf)
