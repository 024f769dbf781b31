"""Runs in dom0: python3 guest_tty.py GUEST PATTERN [TEXT PATTERN]...

Reads GUEST's console until the regular expression PATTERN is in what came since the last one,
types TEXT, and so on; prints all it read. Status 1 when a minute was not enough.
Nobody else may read the console meanwhile.
"""
import os
import re
import select
import subprocess
import sys
import time

DEADLINE = time.monotonic() + 60


def out(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def console_tty(guest):
    """The guest's tty, once xenconsoled has written it to xenstore: at first the node is empty."""
    while time.monotonic() < DEADLINE:
        domid = out('xl', 'domid', guest)
        tty = domid and out('xenstore-read', f'/local/domain/{domid}/console/tty')
        if tty:
            return tty
        time.sleep(0.1)
    sys.exit(f'{guest} has no tty')


def check_master(tty):
    """Xenstore may still name a tty that is somebody else's by now: xenconsoled must own its master."""
    pid = open('/run/xenconsoled.pid').read().strip()
    number = tty.removeprefix('/dev/pts/')
    for fd in os.listdir(f'/proc/{pid}/fdinfo'):
        if re.search(rf'^tty-index:\s*{number}$', open(f'/proc/{pid}/fdinfo/{fd}').read(), re.M):
            return
    sys.exit(f'{tty} is not of xenconsoled')


def read_until(fd, pattern):
    seen = ''
    while not re.search(pattern, seen):
        if not select.select([fd], [], [], max(0, DEADLINE - time.monotonic()))[0]:
            sys.exit(f'{pattern!r} did not come, but: {seen!r}')
        try:
            piece = os.read(fd, 4096)
        except BlockingIOError:     # seen: a readable tty can have nothing after all
            continue
        if not piece:
            sys.exit(f'hung up after: {seen!r}')
        print(text := piece.decode(errors='replace'), end='')
        seen += text


def main(guest, pattern, *rest):
    tty = console_tty(guest)
    check_master(tty)
    fd = os.open(tty, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    read_until(fd, pattern)
    for text, pattern in zip(rest[::2], rest[1::2]):
        os.write(fd, text.encode())
        read_until(fd, pattern)


main(*sys.argv[1:])
