#!/usr/bin/env python3
"""Runs a command on a terminal of its own and prints what it wrote, without carriage returns.

usage: on-a-pty.py ROWSxCOLUMNS [-s WAIT-FOR SEND] COMMAND...

-s: once WAIT-FOR has been written, SEND is typed. Ends with the command's status.
"""
import fcntl
import os
import pty
import struct
import sys
import termios

size, words = sys.argv[1], sys.argv[2:]
wait_for = send = None
if words[0] == "-s":
    wait_for, send, words = words[1].encode(), words[2].encode(), words[3:]
rows, columns = map(int, size.split("x"))
pid, master = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    os.execvp(words[0], words)
out = b""
while True:
    try:
        data = os.read(master, 4096)
    except OSError:
        break  # EIO: the last one left the terminal
    if not data:
        break
    out += data
    if send is not None and wait_for in out:
        os.write(master, send + b"\r")
        send = None
sys.stdout.write(out.decode(errors="replace").replace("\r", ""))
sys.stdout.flush()
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(status if status >= 0 else 128 - status)
