#!/usr/bin/env python3
"""Holds what `--explain` printed against what strace saw.

usage: explain-vs-strace.py EXPLAIN TRACE-PREFIX

EXPLAIN is kist's stderr; TRACE-PREFIX.PID are the files of `strace -ff -v -o TRACE-PREFIX`. Each
explained line that names a system call must appear in its side's trace, in the printed order, with
the same result, the same strings and the same constants. Compound operations have no call of
their own name and are passed over; how many lines were held against the trace is printed.
"""
import glob
import re
import sys

# In the printed words: what the kernel or strace calls it.
NAMES = {"fstatat": {"newfstatat", "fstatat64"}, "open": {"open", "openat"},
         "mkdir": {"mkdir", "mkdirat"}, "write": {"write"}, "umount2": {"umount2"}}
CALLS = """bpf capset chdir clone3 fchdir fsconfig fsmount fsopen fstatat keyctl mkdir mkdirat mknodat
mount_setattr move_mount open open_tree openat openat2 pivot_root prctl prlimit64 sched_setattr
seccomp sethostname setdomainname setgroups setns setresgid setresuid setsid setxattr socketpair
symlinkat umask umount2 unshare write close_range execve""".split()
# Printed for the reader, and told otherwise by strace.
NOT_IN_TRACE = {"PATH", "ROOT"}


def explained(path):
    """(step, side, name, text, result) of each line that names one system call."""
    for line in open(path, errors="replace"):
        m = re.match(r"\s*(\d+) (host|guest) +(.*) = (0|-1 [A-Z0-9]+)$", line)
        if not m:
            continue
        text = re.sub(r'/\*.*?\*/|"/proc" \(procfs\)|"<[^>]*>"', "", m.group(3))
        text = re.sub(r"^<[^>]*> = ", "", text)
        text = re.sub(r"\) = <[^>]*>$", ")", text)
        text = text.split(", keyctl(", 1)[0]  # its second call is on the number of the first
        name = re.match(r"([a-z_0-9]+)\(", text)
        if ", each " in text or "(each" in text:
            continue  # one line for a loop
        if name and name.group(1) in CALLS:
            yield int(m.group(1)), m.group(2), name.group(1), text, m.group(4)


def traced(path):
    """(name, text, result) of each call."""
    for line in open(path, errors="replace"):
        m = re.match(r"([a-z_0-9]+)\((.*)", line)
        if not m:
            continue
        r = re.search(r"= (-1 [A-Z0-9]+|\d+|0x[0-9a-f]+|\?)[^=]*$", line)
        yield m.group(1), line, r.group(1) if r else "?"


def constants(text):
    text = re.sub(r'"[^"]*"', "", re.sub(r"<[^>]*>", "", text))
    text = re.sub(r"\b[a-z_0-9]+\([^()]*\)(?=.)", "", text)  # a call within the call
    found = set(re.findall(r"\b(?:[A-Z]+_[A-Z0-9_]+|CLONE_[A-Z]+|O_[A-Z]+|SIG[A-Z]+)\b", text))
    return found - NOT_IN_TRACE


def same(name, text, result, calls, at):
    called, line, got = calls[at]
    if called not in NAMES.get(name, {name}):
        return False
    if result == "0" and got.startswith("-1") or result != "0" and got != result:
        return False
    strings = [s for s in re.findall(r'"([^"\\]*)"', text) if s]
    if name == "write" and strings and strings[0].startswith("/"):
        # One line for the open and the write; the open may name the file below a folder's fd.
        file = strings.pop(0).rsplit("/", 1)[1]
        if not any(c[0].startswith("open") and file in c[1] for c in calls[max(0, at - 3):at]):
            return False
    if not all(s in line for s in strings):
        return False
    return all(c in line for c in constants(text))


def main():
    _, explain, prefix = sys.argv
    traces = {p.rsplit(".", 1)[1]: list(traced(p)) for p in glob.glob(prefix + ".*")}
    born = {}
    for pid, calls in traces.items():
        for name, _, result in calls:
            if name in ("clone3", "clone") and result in traces:
                born[result] = pid
    orphans = [p for p in traces if p not in born]
    hosts = [p for p in orphans if p in born.values()] or orphans
    assert len(hosts) == 1, f"one process that nobody bore: {hosts}"
    host = hosts[0]
    guests = [p for p, parent in born.items() if parent == host]
    assert len(guests) == 1, f"one guest: {born}"
    # A guest that stays as init: its child, whose number is of its own namespace, does the rest.
    children = [p for p in orphans if p != host]
    stays = "stay_as_init(" in open(explain, errors="replace").read()
    assert len(children) == (1 if stays else 0), f"the child of init: {children}"
    for child in children:
        traces[guests[0]] += traces[child]
    place = {"host": (host, 0), "guest": (guests[0], 0)}
    held = 0
    for step, side, name, text, result in explained(explain):
        pid, at = place[side]
        calls = traces[pid]
        found = next((i for i in range(at, len(calls)) if same(name, text, result, calls, i)), None)
        if found is None:
            sys.exit(f"step {step} ({side}): not in the trace of {pid} after call {at}: "
                     f"{text} = {result}\nnearest: " + "".join(
                         c[1] for c in calls[at:] if c[0] in NAMES.get(name, {name}))[:600])
        place[side] = (pid, found + 1)
        held += 1
    print(held)


main()
