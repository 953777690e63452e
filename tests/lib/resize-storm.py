#!/usr/bin/env python3
"""Runs a command on a terminal that is resized COUNT times and then ended by SIGNAL.

usage: resize-storm.py COUNT SIGNAL COMMAND...

The command's program must write "ready", then answer each line with its window's size ("33 77").
Prints what came after the storm, and "restored" when the terminal's settings are then what they were
before. Sizes of 0 and 65535 are among them.
"""
import fcntl
import os
import select
import signal
import struct
import sys
import termios
import time

count, name, words = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
master, slave = os.openpty()
before = termios.tcgetattr(slave)


def resize(rows, columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def read_until(text):
    out, end = b"", time.monotonic() + 120
    while text not in out:
        if not select.select([master], [], [], end - time.monotonic())[0]:
            sys.exit(f"no {text!r}, but {out!r}")
        out += os.read(master, 65536)
    return out


resize(24, 80)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in 0, 1, 2:
        os.dup2(slave, fd)
    os.execvp(words[0], words)
read_until(b"ready")
raw = termios.tcgetattr(slave)
for i in range(count):
    resize(*((0, 0), (65535, 65535), (1 + i % 200, 1 + i % 300), (1, 65535))[i % 4])
resize(33, 77)
# The signal that tells of the last one may still be on its way.
end, answer = time.monotonic() + 60, b""
while b"33 77" not in answer and time.monotonic() < end:
    os.write(master, b"\r")
    answer = read_until(b"\n")
print("33 77" if b"33 77" in answer else answer)
os.kill(pid, getattr(signal, name))
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
after = termios.tcgetattr(slave)
print("was raw" if raw != before else "was never raw", "restored" if after == before else "changed", status)
