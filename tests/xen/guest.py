"""A guest on the real Xen, from dom0's side and from xenterm's."""
FIRST_LINE = rb'\[ +0\.000000\] Linux version '
PROMPT = rb'# '             # busybox' shell goes on with ESC [ 6 n, asking where the cursor is


class Guest:
    """Made from /etc/xen/CONFIG.cfg under a name of its own. `viewer` is a session at its console."""

    def __init__(self, dom0, web, name, config='web1'):
        self.dom0, self.web, self.name, self.config = dom0, web, name, config
        self.made_as = name
        self.viewer = self.id = self.domid = None
        self.log_begin = 0

    def create(self, *settings):
        """As an administrator does. Further settings as in a guest's file: 'uuid="..."'."""
        self.log_begin = self.log_size()
        settings = (f'name="{self.name}"', *settings)
        if self.config != 'hvm1':       # which has no kernel to tell it
            settings += (f'extra="console=hvc0 hostname={self.name}"',)
        self.dom0.run(f'xl create -q /etc/xen/{self.config}.cfg ' + ' '.join(f"'{s}'" for s in settings))
        self.learn()

    def learn(self):
        """Which domain has this name now."""
        self.domid = int(self.dom0.run(f'xl domid {self.name}').stdout)
        self.id = f'{self.uuid()}/pv0'

    def destroy(self):
        """Without harm when it has gone."""
        self.dom0.run(f'xl destroy {self.domid}', check=False)

    def uuid(self):
        return self.dom0.run(f'xenstore-read /local/domain/{self.domid}/vm').stdout.strip().removeprefix('/vm/')

    def tty(self):
        """As xenstore says; '' while there is none."""
        return self.dom0.run(f'xenstore-read /local/domain/{self.domid}/console/tty', check=False).stdout.strip()

    # --- xenconsoled's own record of what it has printed: the independent witness -----------------

    def log_path(self):
        """Of the name it was made by: xenconsoled does not learn of another."""
        return f'/var/log/xen/console/guest-{self.made_as}.log'

    def log_size(self):
        return int(self.dom0.run(f'stat -c %s {self.log_path()} 2>/dev/null || echo 0').stdout)

    def log(self, begin=None):
        """From its creation on, or from an offset that log_size() has said."""
        begin = self.log_begin if begin is None else begin
        return self.dom0.run(f'tail -c +{begin + 1} {self.log_path()}', text=False).stdout

    # --- through xenterm ----------------------------------------------------------------------------

    def console(self):
        """Its entry in the list, or None."""
        return next((c for c in self.web.consoles() if c['id'] == self.id), None)

    def wait_up(self):
        self.dom0.wait_for(f'{self.name} to be up', lambda: (c := self.console()) and c['state'] == 'up')

    def open(self):
        self.wait_up()
        self.viewer = self.web.open(self.id)
        return self.viewer

    def login(self, seconds=60):
        """Waits for its boot and logs in; returns the viewer, at the shell's prompt."""
        viewer = self.viewer or self.open()
        asked = viewer.wait_for(rf'{self.name} login: '.encode(), seconds=seconds)
        viewer.type('root\n')
        viewer.wait_for(PROMPT, asked)
        return viewer

    def count(self, upto, done='done'):
        """Has the shell print numbered lines with its name, and `done` after the last; returns the offset before."""
        self.viewer.drain()
        begin = len(self.viewer.output)
        self.viewer.type(f'i=0; while [ $i -lt {upto} ]; do i=$((i+1)); echo "{self.name} line $i"; done; '
                         f'echo {done[:2]}""{done[2:]}\n')
        return begin
