#!/usr/bin/python3
"""A real Xen host under QEMU: made by tests/xen/image, booted and driven by this module.

    with Dom0(work) as dom0:
        dom0.run('xl create -q /etc/xen/web1.cfg')
        ... f'https://127.0.0.1:{dom0.https_port}/' ...

From a shell:

    dom0.py up WORK [COMMAND...]    boot; run COMMAND here, or wait for Ctrl-C; stop
    dom0.py ssh WORK [COMMAND...]   a shell, or COMMAND, in the dom0 that is up
    dom0.py stop WORK               end the one that is up

QEMU ends with the process that started it, however that one dies.
"""
import collections
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOCKET_PATH_MAX = 88    # of the kernel's 107; ssh adds 17 while it makes one
READY = 'xenterm-dom0: ready'
FAILED = 'xenterm-dom0: failed'


class Unavailable(Exception):
    """Something this machine lacks: a reason to skip, not a defect."""


class Dom0Error(Exception):
    """The dom0, or a command in it, did not do as asked."""


def require_tools():
    for tool in 'qemu-system-x86_64', 'setpriv', 'ssh':
        if not shutil.which(tool):
            raise Unavailable(f'{tool} is not installed')


def build_image(work, overlay=None):
    """Runs tests/xen/image. Raises Unavailable when packages or tools cannot be had."""
    require_tools()
    status, said = run_script(HERE / 'image', work, *([overlay] if overlay else []))
    if status == 77:
        raise Unavailable(said.strip())
    if status:
        raise Dom0Error(f'the image was not built:\n{said}')


def build_overlay(build, dest, password):
    """Runs tests/xen/overlay: the product from its build tree, with the user demo."""
    if not (Path(build) / 'Makefile').exists():
        raise Unavailable(f'{build} is no build tree')
    status, said = run_script(HERE / 'overlay', build, dest, password)
    if status:
        raise Dom0Error(f'the overlay was not made:\n{said}')


def run_script(*command):
    """Its status and all its output. Who is interrupted here ends the script's whole group."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, start_new_session=True) as script:
        try:
            said = script.communicate()[0]
        except BaseException:
            os.killpg(script.pid, signal.SIGTERM)
            script.wait()       # it clears away what it has begun
            raise
    return script.returncode, said


class Dom0:
    """One machine: the hypervisor, its dom0 and whatever guests `xl` makes in it.

    Start it in the thread that lives as long as it should: the kernel counts the end of the
    starting *thread* as the parent's death (prctl(2), PR_SET_PDEATHSIG).
    """

    def __init__(self, work, xenstored='ocaml', memory=1536, dom0_memory=768, boot_timeout=120, https_port=0,
                 hvm=False):
        self.work = Path(work).resolve()
        self.xenstored = xenstored          # or 'c'
        self.memory = memory                # MiB, the machine's; dom0's share is the next one
        self.dom0_memory = dom0_memory      # less than 640 does not unpack its root
        self.hvm = hvm                      # PVH and HVM guests can be made, and qemu is there; boots slower
        self.boot_timeout = boot_timeout
        self.console = self.work / 'console.log'
        self.qemu_log = self.work / 'qemu.log'
        self.pid_file = self.work / 'qemu.pid'
        self.ports_file = self.work / 'ports.json'
        self.https_port = https_port        # 0: a free one, known when it is up
        self.ssh_port = self.boot_seconds = None
        self._qemu = self._ssh = None
        self._notes = collections.deque(maxlen=200)     # the transcript's last lines

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *failure):
        try:
            if isinstance(failure[1], Exception):       # not Ctrl-C
                self.collect()
        finally:
            self.stop()

    # --- the machine ----------------------------------------------------------

    def start(self):
        """Boots, and returns when dom0's start script has printed its ready line."""
        begin = time.monotonic()
        try:
            self.launch()
            self._await_ready(begin + self.boot_timeout)
        except BaseException:
            self.stop()
            raise
        self.boot_seconds = time.monotonic() - begin
        self._share_ssh()

    def launch(self):
        """Starts QEMU and learns the ports; dom0 is then still to boot."""
        require_tools()
        if qemu_pid(self.work):
            raise Dom0Error(f'already up in {self.work}')
        for old in (self.console, self.ports_file, self.work / 'known_hosts', self._ssh_socket()):
            old.unlink(missing_ok=True)
        if self.hvm:
            concatenate(self.work / 'dom0-hvm.cpio', self.work / 'dom0.cpio', self.work / 'hvm.cpio')
        with self.qemu_log.open('w') as log:
            self._qemu = subprocess.Popen(
                ['setpriv', '--pdeathsig', 'KILL', '--'] + self._qemu_command(), cwd=self.work,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self._learn_ports()

    def stop(self):
        """Ends QEMU; without harm when there is none."""
        qemu, self._qemu = self._qemu, None
        if not qemu:
            return
        shared, self._ssh = self._ssh, None
        if shared:
            shared.terminate()
            shared.wait()
        qemu.terminate()
        try:
            qemu.wait(10)
        except subprocess.TimeoutExpired:
            qemu.kill()
            qemu.wait()
        for pipe in (qemu.stdin, qemu.stdout):
            pipe.close()
        self.ports_file.unlink(missing_ok=True)

    def wait(self):
        """Until QEMU ends by itself."""
        self._qemu.wait()

    def _qemu_command(self):
        xen = (f'console=com1 com1=115200,8n1 dom0_mem={self.dom0_memory}M,max:{self.dom0_memory}M '
               'dom0_max_vcpus=1 loglvl=warning guest_loglvl=warning '
               'bootscrub=0')       # clearing free memory would make all of it real on our side
        linux = f'console=hvc0 quiet panic=1 xenstored={self.xenstored}'
        # Port 0: the kernel chooses, so no other program can take the port in between.
        # restrict: dom0 reaches nothing outside; the forwarded ports work all the same.
        net = 'user,model=vmxnet3,restrict=on' + ''.join(
            f',hostfwd=tcp:127.0.0.1:{outer}-:{inner}' for outer, inner in ((0, 22), (self.https_port, 443)))
        return ['qemu-system-x86_64', '-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
                '-machine', 'q35', '-accel', 'tcg,tb-size=256',
                # Seen: dom0 dies early with -cpu max. Without rdrand, openssl waits 2 s for entropy.
                # svm and npt: QEMU emulates AMD's virtualization with nested paging, for PVH and HVM guests
                '-cpu', 'qemu64,+rdrand' + (',+svm,+npt' if self.hvm else ''),
                '-m', str(self.memory), '-smp', '2', '-nic', net,
                '-qmp', 'stdio', '-pidfile', str(self.pid_file), '-serial', f'file:{self.console.name}',
                # Xen takes dom0's kernel and initramfs as multiboot modules, "file words,file words";
                # such a file name can have no space, so they are relative to the folder we start in
                '-kernel', 'xen', '-append', xen, '-initrd', f'vmlinux {linux},' + ('dom0-hvm.cpio' if self.hvm else 'dom0.cpio')]

    def _qmp(self, command, **arguments):
        self._qemu.stdin.write(json.dumps({'execute': command, 'arguments': arguments}) + '\n')
        self._qemu.stdin.flush()
        for line in self._qemu.stdout:
            reply = json.loads(line)
            if 'return' in reply:
                return reply['return']
            if 'error' in reply:
                break
        raise Dom0Error(f'QEMU did not take {command}:\n{tail(self.qemu_log)}')

    def _learn_ports(self):
        try:
            self._qmp('qmp_capabilities')
            net = self._qmp('human-monitor-command', **{'command-line': 'info usernet'})
        except BrokenPipeError as e:
            raise Dom0Error(f'QEMU did not start:\n{tail(self.qemu_log)}') from e
        ports = {inner: int(outer) for outer, inner in
                 re.findall(r'HOST_FORWARD\]\s+\d+\s+127\.0\.0\.1\s+(\d+)\s+\S+\s+(\d+)', net)}
        self.ssh_port, self.https_port = ports['22'], ports['443']
        self.ports_file.write_text(json.dumps({'ssh': self.ssh_port, 'https': self.https_port}))

    def _await_ready(self, deadline):
        while True:
            ended = self._qemu.poll() is not None       # before reading, so that its last words count
            text = self.console.read_text(errors='replace') if self.console.exists() else ''
            if READY in text:
                return
            if FAILED in text or ended or time.monotonic() > deadline:
                why = ('its start script failed' if FAILED in text else 'QEMU ended' if ended
                       else f'no ready line in {self.boot_timeout} s')
                logs = 'none' if ended else self.collect()
                raise Dom0Error(f'dom0 did not come up, {why}; its logs: {logs}'
                                f'\n--- {self.console}\n{tail(self.console)}'
                                f'\n--- {self.qemu_log}\n{tail(self.qemu_log)}')
            time.sleep(0.05)

    # --- what one does in it ----------------------------------------------------

    def _share_ssh(self):
        """One connection for all commands: making one costs an emulated processor a third of a second."""
        if len(str(self._ssh_socket())) > SOCKET_PATH_MAX:
            return
        self._ssh = subprocess.Popen(
            ['setpriv', '--pdeathsig', 'KILL', '--'] + self.ssh_command() + ['-M', '-N'],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _ssh_socket(self):
        return self.work / 'ssh.sock'

    def ssh_command(self):
        return ['ssh', '-F', 'none', '-q', '-p', str(self.ssh_port), '-i', str(self.work / 'key'),
                '-S', str(self._ssh_socket()),      # if it is there; otherwise a connection of its own
                '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=20',
                # the host key is new with every boot; the first one seen is the one
                '-o', f'UserKnownHostsFile="{self.work / "known_hosts"}"',
                '-o', 'StrictHostKeyChecking=accept-new', '-o', 'HostKeyAlgorithms=ssh-ed25519',
                'root@127.0.0.1']

    def run(self, command, timeout=60, input=None, check=True, text=True):
        """Runs a shell command in dom0 as root; returns a CompletedProcess with both outputs.

        When `timeout` seconds are over it is ended in dom0 too, and subprocess.TimeoutExpired
        raised. Status 255 is ssh's own.
        """
        bounded = f'timeout -k 5 {timeout} bash -c {quote(command)}'
        begin = time.monotonic()
        done = subprocess.run(self.ssh_command() + [bounded], input=input, timeout=timeout + 30,
                              capture_output=True, text=text, errors='replace' if text else None)
        self.note(f'dom0: {command}: status {done.returncode} {done.stdout[-300:]!r} {done.stderr[-300:]!r}')
        # 124 is timeout's own; when it had to KILL, it went with its group, and ssh says 255
        if done.returncode in (124, 255) and time.monotonic() - begin >= timeout:
            raise subprocess.TimeoutExpired(command, timeout, done.stdout, done.stderr)
        if check and done.returncode:
            raise Dom0Error(f'status {done.returncode} of: {command}\n{done.stdout}{done.stderr}')
        return done

    def put(self, local, remote, mode=0o644):
        self.write(remote, Path(local).read_bytes(), mode)

    def write(self, remote, content, mode=0o644):
        if isinstance(content, str):
            content = content.encode()
        path = quote(str(remote))
        self.run(f'cat > {path} && chmod {mode:o} {path}', input=content, text=False)

    def get(self, remote, local):
        Path(local).write_bytes(self.run(f'cat < {quote(str(remote))}', text=False).stdout)

    def wait_for(self, what, condition, timeout=30):
        """Polls `condition` (a callable, or a shell command for dom0) until it holds; returns its value."""
        deadline = time.monotonic() + timeout
        while True:
            if callable(condition):
                value = condition()
            else:
                done = self.run(condition, check=False)
                value = done.returncode == 0 and (done.stdout or True)
            if value:
                return value
            if time.monotonic() > deadline:
                raise Dom0Error(f'not within {timeout} s: {what}')
            time.sleep(0.1)

    def note(self, text):
        """One line of the transcript."""
        self._notes.append(f'{time.strftime("%H:%M:%S")} {text}')

    def forget_notes(self):
        self._notes.clear()

    def transcript(self):
        """What was done and seen since forget_notes(), and how it looks in dom0 now: explains a failure."""
        parts = ['\n'.join(self._notes), f'--- {self.console}', tail(self.console, 15)]
        try:
            parts.append(self.run(
                'for c in "tail -n 25 /var/log/xenterm/broker.log /var/log/xenterm/worker.log" '
                '"cat /var/log/xenterm/supervisor.log" "tail -n 5 /var/log/nginx/error.log" "xl list" '
                '"tail -n 12 $(ls -t /var/log/xen/console/*.log | head -n 3 | tr \'\\n\' \' \')" "ls -l /dev/pts"; '
                'do echo "--- $c"; $c; done 2>&1; xenstore-ls -f /local/domain | grep -E "tty =|name ="',
                check=False, timeout=20).stdout)
        except (subprocess.SubprocessError, OSError) as e:
            parts.append(f'dom0 gave no more than this: {e}')
        return '\n'.join(parts)

    def collect(self):
        """Brings dom0's logs and its state to WORK/logs, as far as they can be had; returns the folder.

        The console's transcript is in WORK/console.log anyway.
        """
        folder = self.work / 'logs'
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        wanted = {
            'var-log.tar': 'tar -c -C /var log',
            'state.txt': 'for c in "ps auxww" "xl list" "xenstore-ls -fp" "ls -lR /run" "xl dmesg" dmesg; '
                         'do echo "== $c"; timeout 10 $c; done 2>&1',
        }
        try:
            for name, command in wanted.items():
                done = self.run(command, check=False, text=False)
                (folder / name).write_bytes(done.stdout + done.stderr)
                if done.returncode == 255:      # ssh's own: the next would wait as long in vain
                    break
        except (subprocess.SubprocessError, OSError) as e:
            (folder / 'missing.txt').write_text(f'dom0 gave no more than this: {e}\n')
        return folder


# --- small things -----------------------------------------------------------------

def quote(word):
    return "'" + word.replace("'", "'\\''") + "'"


def concatenate(whole, *parts):
    """The kernel unpacks archives that stand one after the other."""
    with open(whole, 'wb') as out:
        for part in parts:
            with open(part, 'rb') as source:
                shutil.copyfileobj(source, out)


def tail(path, lines=40):
    try:
        return '\n'.join(Path(path).read_text(errors='replace').splitlines()[-lines:])
    except OSError as e:
        return str(e)


def qemu_pid(work):
    """The QEMU of this folder, or None. The pid file alone does not say: pids are used again."""
    pid_file = Path(work).resolve() / 'qemu.pid'
    try:
        pid = int(pid_file.read_text())
        words = Path(f'/proc/{pid}/cmdline').read_bytes().split(b'\0')
    except (OSError, ValueError):
        return None
    return pid if str(pid_file).encode() in words else None


def attach(work):
    """The Dom0 another process has started; not ours to stop."""
    dom0 = Dom0(work)
    if not qemu_pid(work):
        sys.exit(f'nothing is up in {work}')
    ports = json.loads(dom0.ports_file.read_text())
    dom0.ssh_port, dom0.https_port = ports['ssh'], ports['https']
    return dom0


# --- from a shell -------------------------------------------------------------------

def up(work, *command):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # so that `with` ends QEMU
    with Dom0(work) as dom0:
        print(f'dom0 is ready after {dom0.boot_seconds:.1f} s: https://127.0.0.1:{dom0.https_port}/')
        print(f'a shell in it: {sys.argv[0]} ssh {work}    to end it: Ctrl-C', flush=True)
        if command:
            environment = dict(os.environ, XENTERM_XEN_HTTPS_PORT=str(dom0.https_port),
                               XENTERM_XEN_SSH_PORT=str(dom0.ssh_port))
            return subprocess.run(command, env=environment).returncode
        dom0.wait()
        print('QEMU has ended')


def ssh(work, *command):
    words = attach(work).ssh_command()
    os.execvp(words[0], words + (list(command) or ['-t', 'exec bash -l']))


def stop(work):
    pid = qemu_pid(work)
    if not pid:
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while qemu_pid(work):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def main(words):
    verbs = {'up': up, 'ssh': ssh, 'stop': stop}
    if len(words) < 2 or words[0] not in verbs or (words[0] == 'stop' and len(words) > 2):
        sys.exit(__doc__)
    try:
        return verbs[words[0]](*words[1:])
    except KeyboardInterrupt:
        return 130
    except (Dom0Error, Unavailable) as e:
        sys.exit(f'dom0.py: {e}')


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
