#!/usr/bin/env python3
"""Records real programs: record.py [NAME...]

Each program runs on a pty of a fixed size with a fixed environment (locale, TERM, home, prompt, and a host name of its
own), gets its keys when it has gone quiet, and what it wrote becomes NAME.ROWSxCOLS.gz beside this file. Programs of the
system are needed: bash, vim, nano, less, man, htop, top, watch, mc, dialog, tmux, emacs, apt, ls, python3; those that
are missing are left out with a note. A recording is data: nothing depends on it being made again.

The kernel's boot is recorded from a virtual machine: with BOOT_KERNEL and BOOT_INITRD in the environment, else left out.
"""
import ctypes
import fcntl
import gzip
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOME = Path('/tmp/demo')
LIMIT = 150_000         # bytes kept of one recording
QUIET = 0.35            # seconds without output before the next keys are typed
CLONE_NEWUTS = 0x04000000

ENVIRONMENT = {
    'HOME': str(HOME), 'USER': 'demo', 'LOGNAME': 'demo', 'SHELL': '/bin/bash', 'LANG': 'C.UTF-8', 'LC_ALL': 'C.UTF-8',
    'PATH': '/usr/bin:/bin:/usr/sbin:/sbin', 'PROMPT': r'\[\e[1;32m\]demo@guest\[\e[0m\]:\[\e[34m\]\w\[\e[0m\]\$ ',
    'TZ': 'UTC', 'HISTFILE': '/dev/null', 'TMUX_TMPDIR': str(HOME), 'LESSHISTFILE': '-', 'MANWIDTH': '',
    'LS_COLORS': 'rs=0:di=01;34:ln=01;36:ex=01;32:*.gz=01;31:*.c=00;33:or=40;31;01',
}

TEXT = '''\
Wide: 漢字とかな交じり文 한국어 繁體中文 ｆｕｌｌ　ｗｉｄｔｈ
Combining: e\u0301 a\u0308 o\u0302\u0323 n\u0303 क्षि สวัสดี שָׁלוֹם  Z͑ͫ̓a̴l̵g̶o̷
Emoji: 😀 👍🏽 👩‍👩‍👧 🇩🇪 ❤️ ☕ ⚡
Lines: ┌─┬─┐ │ │ ├─┼─┤ └─┴─┘ ▁▂▃▄▅▆▇█ ░▒▓
Zero width: a\u200bb\u200dc\u2060d soft\u00adhyphen
A long line that is wider than most of the screens it is shown on, with 漢字 in the middle of it and at its end, too: 漢字漢字漢字漢字漢字漢字
'''

PROGRAM = '''\
/* A small program, so that the editors have something to colour. */
#include <stdio.h>

static const char *const names[] = { "dom0", "web1", "db1", "mail" };

int
main(void)
{
\tfor (unsigned i = 0; i < sizeof names / sizeof *names; i++)
\t\tprintf("%-10s %u\\n", names[i], i * 42u);\t/* tabs */
\treturn 0;
}
'''

PROGRESS = r'''
import sys, time
out = sys.stdout
for i in range(0, 101, 5):
    out.write('\rDownloading %3d%% [%-20s] %5.1f MB' % (i, '#' * (i // 5), i * 1.7)); out.flush(); time.sleep(.01)
out.write('\n')
for i in range(0, 101, 4):
    out.write('\r\x1b[K\x1b[36m%s\x1b[0m %d%% \x1b[7m%s\x1b[0m%s' % ('⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'[i % 10], i, ' ' * (i // 4), ' ' * (25 - i // 4)))
    out.flush(); time.sleep(.01)
out.write('\n\x1b[?25l')
for i in range(5): out.write('layer %d: waiting\n' % i)
for step in range(0, 101, 10):
    out.write('\x1b[5A')
    for i in range(5):
        out.write('\r\x1b[2Klayer %d: %s\n' % (i, 'done' if step > i * 20 else '█' * (step // 10)))
    out.flush(); time.sleep(.01)
out.write('\x1b[?25h')
'''

# A system's start as systemd shows it on a console: status lines, a job that takes long, colours.
STATUS = r'''
import sys, time
out = sys.stdout
for i in range(40):
    out.write('         Starting \x1b[0;1;39munit-%d.service\x1b[0m - Unit number %d with a description...\r\n' % (i, i))
    if i % 7 == 3:
        for dots in range(6):
            out.write('\r\x1b[K[%s\x1b[0;31m*\x1b[0m%s] A start job is running for unit-%d (%ds / 1min 30s)' % (' ' * dots, ' ' * (5 - dots), i, dots))
            out.flush(); time.sleep(.005)
        out.write('\r\x1b[K[\x1b[0;1;31mFAILED\x1b[0m] Failed to start \x1b[0;1;39munit-%d.service\x1b[0m - Unit number %d.\r\n' % (i, i))
    else:
        out.write('[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39munit-%d.service\x1b[0m - Unit number %d with a description.\r\n' % (i, i))
out.write('\r\nDebian GNU/Linux 12 guest hvc0\r\n\r\nguest login: ')
'''

UP, DOWN, RIGHT, LEFT = '\x1bOA', '\x1bOB', '\x1bOC', '\x1bOD'
ENTER, ESC, TAB = '\r', '\x1b', '\t'

VIM = ['i', 'Hello, world', ENTER, 'second line', ESC, ':set number', ENTER, ':syntax on', ENTER, '/main', ENTER, 'dd', 'p', 'u', 'yyppp',
       'G', 'gg', '5j', '3x', 'A // more', ESC, 'v', '3j', '>', ':split', ENTER, '\x17w', ':e text', ENTER, 'G', 'o', '漢字 input é', ESC,
       '\x15', '\x04', ':vsplit', ENTER, '\x06', '\x02', ':only', ENTER, ':%s/a/A/g', ENTER, ':set list', ENTER, 'R', 'replaced', ESC,
       '\x0c', ':help', ENTER, '\x06\x06', ':q', ENTER, 'i', '\x16\x1b', ESC, ':q!', ENTER, ':q!', ENTER]
NANO = ['typed text', ENTER, 'x' * 100, '\x0b', '\x15', '\x16', '\x19', '\x17', 'main', ENTER, '\x0a', UP, UP, DOWN, '\x7f' * 5, 'é漢字', '\x07', '\x18',
        '\x18', 'n']
LESS = [' ', ' ', 'b', 'G', 'g', '/return', ENTER, 'n', 'jjjjj', 'kkk', '-S', ENTER, '\x1b)', '\x1b(', '-N', ENTER, 'F', '\x03', 'h', 'q', 'q']
MAN = [' ', ' ', 'b', '/console', ENTER, 'n', 'n', 'G', 'g', 'd', 'u', 'q']
HTOP = [DOWN * 3, '\x1bOT', ' ', 't', 'H', 'F4', ESC, '\x1bOQ', DOWN, RIGHT, DOWN, ESC, '/', 'bash', ENTER, 'u', ESC, 'q']
TOP = ['c', 'z', 'x', '1', 'm', 't', 'V', 'h', ' ', 'q']
MC = [DOWN * 3, TAB, DOWN, '\x1bOR', DOWN, '\x1b[21~', ESC + ESC, '\x1b[20~', DOWN, RIGHT, DOWN, ESC + ESC, '\x0f', '\x0f', 'ls', ENTER, '\x1b[18~', 'new', ENTER,
      '\x1b[14~', DOWN, '\x1b[21~', '\x1b[21~', ENTER, 'exit', ENTER]
TMUX = ['ls --color', ENTER, '\x02%', 'cat text', ENTER, '\x02"', 'seq 1 60', ENTER, '\x02o', 'echo one', ENTER, '\x02c', 'cat text', ENTER, '\x02n', '\x02p', '\x02[',
        '\x1b[5~', 'q', '\x02z', '\x02z', '\x02w', 'q', '\x02:', 'resize-pane -L 5', ENTER, '\x02d']
EMACS = ['hello world', ENTER, '\x18\x062\x07', '\x182', '\x18o', '\x13main', ENTER, '\x0b\x19\x19', '\x18\x02', '\x181', '\x16', '\x1bv', '\x1bxhelp-with-tutorial', ENTER,
         '\x16', '\x16', '\x18\x03', 'n', 'yes', ENTER]
BASH = ['echo hello', '\x01', '\x06\x06\x06', '\x0b', '\x19', '\x05', ENTER, 'ls --color=always /usr/share/man', ENTER, 'echo ' + 'long ' * 40, '\x01',
        '\x05', '\x17\x17\x17', '\x15', 'ech' + TAB, ' a b c', '\x1bb\x1bb\x1bd', ENTER, '\x12ech', '\x07', UP, UP, DOWN, ENTER, 'ls /usr/' + TAB + TAB, '\x03',
        'echo é漢字ok', '\x02\x02\x02\x02\x08', ENTER, 'cat text', ENTER, 'printf "\\e[5n"', ENTER, 'for i in 1 2 3; do', ENTER, 'echo $i', ENTER, 'done', ENTER,
        'clear', ENTER, 'reset', ENTER, 'exit', ENTER]
DIALOG = ("dialog --clear --title Menu --menu 'Choose a guest' 15 40 5 1 web1 2 db1 3 mail; "
          "dialog --checklist 'Which 漢字' 12 38 4 a Alpha on b Beta off c Gamma on; "
          "(for i in 0 20 40 60 80 100; do echo $i; sleep 0.05; done) | dialog --gauge 'Copying' 8 40; "
          "dialog --yesno 'Really?' 6 30; dialog --inputbox 'Name' 8 30; dialog --textbox text 14 50; dialog --calendar Day 0 0 1 1 2024")
DIALOG_KEYS = [DOWN, DOWN, UP, ENTER, ' ', DOWN, ' ', ENTER, '', TAB, ENTER, 'näme', TAB, ENTER, DOWN, DOWN, ENTER, TAB, ENTER]

# name, command, sizes with their TERM, keys
RECORDINGS = [
    ('vim', 'vim -u NONE -N --cmd "set nomodeline ruler showcmd t_RV=" prog.c', [(24, 80, 'xterm-256color'), (10, 40, 'vt100'), (50, 132, 'linux')], VIM),
    ('nano', 'nano prog.c', [(24, 80, 'xterm-256color'), (10, 40, 'linux')], NANO),
    ('less', 'less prog.c text big', [(24, 80, 'xterm-256color'), (10, 40, 'vt220')], LESS),
    ('man', 'man less', [(24, 80, 'xterm-256color'), (50, 132, 'screen')], MAN),
    ('htop', 'htop -d 5', [(24, 80, 'xterm-256color'), (50, 132, 'linux')], HTOP),
    ('top', 'top -d 1', [(24, 80, 'xterm-256color'), (10, 40, 'vt220')], TOP),
    ('watch', 'watch -n 0.2 -d -c "ls --color=always; date +%N"', [(24, 80, 'xterm-256color')], ['', '', '', '', '\x03']),
    ('mc', 'mc -x .', [(24, 80, 'xterm-256color'), (50, 132, 'linux'), (10, 40, 'vt100')], MC),
    ('dialog', DIALOG, [(24, 80, 'xterm-256color'), (24, 80, 'linux')], DIALOG_KEYS),
    ('tmux', 'PS1=$PROMPT tmux -f /dev/null -u new-session "bash --norc --noprofile"', [(24, 80, 'xterm-256color'), (50, 132, 'screen')], TMUX),
    ('emacs', 'emacs -nw -Q prog.c', [(24, 80, 'xterm-256color')], EMACS),
    ('bash', 'PS1=$PROMPT bash --norc --noprofile', [(24, 80, 'xterm-256color'), (10, 40, 'linux')], BASH),
    ('ls', 'ls -l --color=always /usr/share/man; ls --color=always -C /usr/share/man /usr/share/zoneinfo; ls -la --color', [(24, 80, 'xterm-256color'), (10, 40, 'linux')], []),
    ('text', 'cat text text prog.c; head -c 3000 text | tr -d "\\n"; echo; cat -A text', [(24, 80, 'xterm-256color'), (10, 40, 'linux')], []),
    ('progress', 'python3 -c "$PROGRESS"', [(24, 80, 'xterm-256color'), (10, 40, 'vt100')], []),
    ('status', 'python3 -c "$STATUS"', [(24, 80, 'vt220'), (10, 40, 'vt220')], []),
    ('apt', './install-and-remove', [(24, 80, 'xterm-256color'), (10, 40, 'linux')], []),
]

# apt on a system of its own in a folder, with a repository of packages made here: no network, nothing of this machine.
APT = r'''#!/bin/bash
set -e
root=$HOME/apt
rm -rf $root && mkdir -p $root/{state/lists/partial,cache/archives/partial,repo,etc,dpkg/{info,updates,triggers,parts},target}
: > $root/dpkg/status; : > $root/dpkg/available
for n in one two three four five six; do
    d=$root/build/demo-$n
    mkdir -p $d/DEBIAN $d/usr/share/demo-$n
    seq 1 2000 > $d/usr/share/demo-$n/data
    printf 'Package: demo-%s\nVersion: 1.0\nArchitecture: all\nMaintainer: demo <demo@example.org>\nDescription: demonstration package %s\n' $n $n > $d/DEBIAN/control
    dpkg-deb --root-owner-group -b $d $root/repo/demo-${n}_1.0_all.deb >/dev/null
    (cat $d/DEBIAN/control; f=repo/demo-${n}_1.0_all.deb
     echo "Filename: $f"; echo "Size: $(stat -c%s $root/$f)"; echo "SHA256: $(sha256sum < $root/$f | cut -d' ' -f1)"; echo) >> $root/Packages
done
echo "deb [trusted=yes] file:$root ./" > $root/sources.list
o="-o Dir::State=$root/state -o Dir::State::status=$root/dpkg/status -o Dir::Cache=$root/cache -o Dir::Etc::SourceList=$root/sources.list
 -o Dir::Etc::SourceParts=$root/none -o Dir::Etc::Parts=$root/none -o Dir::Log=$root -o APT::Sandbox::User=root -o Acquire::Languages=none
 -o Dpkg::Progress-Fancy=1 -o APT::Color=1 -o Dpkg::Options::=--admindir=$root/dpkg -o Dpkg::Options::=--instdir=$root/target
 -o Dpkg::Options::=--force-not-root -o Dpkg::Options::=--force-script-chrootless -o Dpkg::Options::=--log=$root/log -o DPkg::Pre-Invoke::=
 -o Debug::NoLocking=1"
apt $o update
apt $o -y install demo-one demo-two demo-three demo-four demo-five demo-six
apt $o list --installed
apt $o -y remove demo-two demo-five
'''


def prepare():
    """The folder that the programs see."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    (HOME / 'text').write_text(TEXT)
    (HOME / 'prog.c').write_text(PROGRAM)
    (HOME / 'big').write_text(''.join(f'{i:5} {"=" * (i % 90)} line\n' for i in range(400)))
    for name in 'src', 'photos', 'notes.txt', 'backup.tar.gz', 'Ordner ü':
        (HOME / name).mkdir() if '.' not in name else (HOME / name).write_text(name)
    (HOME / 'link').symlink_to('nowhere')
    script = HOME / 'install-and-remove'
    script.write_text(APT)
    script.chmod(0o755)


def in_the_child(command, rows, cols, term):
    """A host name of its own, no machine in sight; then the program."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUTS) == 0:
        libc.sethostname(b'guest', 5)
    os.chdir(HOME)
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', rows, cols, 0, 0))
    environment = ENVIRONMENT | {'TERM': term, 'PROGRESS': PROGRESS, 'STATUS': STATUS}
    # A process list of its own, so that programs that list processes list only themselves.
    os.execvpe('unshare', ['unshare', '--pid', '--fork', '--mount-proc', 'bash', '--norc', '--noprofile', '-c', command], environment)


def collect(fd, quiet):
    """What comes until nothing has come for `quiet` seconds; None at the end."""
    data = b''
    deadline = time.monotonic() + 8
    while time.monotonic() < deadline and select.select([fd], [], [], quiet)[0]:
        try:
            more = os.read(fd, 65536)
        except OSError:
            more = b''
        if not more:
            return data, True
        data += more
        answer(fd, more)
    return data, False


def answer(fd, data):
    """Only what our terminal answers, with a fixed place for the cursor."""
    for asked, reply in (rb'\x1b\[0?c', b'\x1b[?1;2c'), (rb'\x1b\[>0?c', b'\x1b[>0;276;0c'), (rb'\x1b\[5n', b'\x1b[0n'), (rb'\x1b\[6n', b'\x1b[1;1R'):
        for _ in re.findall(asked, data):
            os.write(fd, reply)


def record(command, rows, cols, term, keys):
    pid, fd = pty.fork()
    if pid == 0:
        try:
            in_the_child(command, rows, cols, term)
        finally:
            os._exit(127)
    data, ended = collect(fd, 1.5)
    for key in keys:
        if ended:
            break
        os.write(fd, key.encode())
        more, ended = collect(fd, QUIET)
        data += more
    more, ended = collect(fd, 2.5) if not ended else (b'', True)
    data += more
    os.kill(pid, signal.SIGHUP)
    os.close(fd)
    os.waitpid(pid, 0)
    return data


def record_boot():
    """A kernel on a serial line, from the firmware's hand-over to the shell of its first program."""
    kernel, initrd = os.environ['BOOT_KERNEL'], os.environ['BOOT_INITRD']
    log = HOME / 'boot.raw'
    try:
        subprocess.run(['qemu-system-x86_64', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-m', '256', '-cpu', 'qemu64,+rdrand',
                        '-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0 panic=1', '-serial', f'file:{log}'],
                       check=False, timeout=60)
    except subprocess.TimeoutExpired:
        pass
    return log.read_bytes()


def keep(name, rows, cols, data):
    """Cut at a line's end when too long, and packed so that the same bytes make the same file."""
    if len(data) > LIMIT:
        data = data[:data.rindex(b'\n', 0, LIMIT) + 1]
    path = HERE / f'{name}.{rows}x{cols}.gz'
    path.write_bytes(gzip.compress(data, 9, mtime=0))
    print(f'{path.name}: {len(data)} bytes, {path.stat().st_size} packed')


def main():
    wanted = sys.argv[1:]
    for name, command, sizes, keys in RECORDINGS:
        if wanted and name not in wanted:
            continue
        program = next(word for word in command.split() if '=' not in word)
        if not program.startswith('./') and not shutil.which(program):
            print(f'{name}: {program} is missing, left out')
            continue
        for rows, cols, term in sizes:
            prepare()
            keep(name, rows, cols, record(command, rows, cols, term, keys))
    if (not wanted or 'boot' in wanted) and 'BOOT_KERNEL' in os.environ:
        prepare()
        data = record_boot()
        keep('boot', 24, 80, data)
        keep('boot', 50, 132, data)
    shutil.rmtree(HOME, ignore_errors=True)


main()
