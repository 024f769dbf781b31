"""xenterm's HTTP interface from outside, as docs/protocol.md section 1 has it; standard library only."""
import base64
import http.client
import json
import re
import ssl
import struct
import time

class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)

class Web:
    """One user at one site. Its certificate is checked."""

    def __init__(self, port, certificate, user, password, note=lambda text: None):
        """`note` is told each call and what came of it, for the transcript of a failure."""
        self.note = note
        self.tls = ssl.create_default_context(cafile=certificate)
        self.connection = http.client.HTTPSConnection('127.0.0.1', port, context=self.tls, timeout=90)
        self.authorization = 'Basic ' + base64.b64encode(f'{user}:{password}'.encode()).decode()

    def call(self, method, path, body=None, **headers):
        """On a connection that is kept, as a browser's: making one costs an emulated processor a third of a second.
        One that nginx has meanwhile closed is made anew; what is typed has a number, and so is not typed twice."""
        headers = {'Authorization': self.authorization} | {k.replace('_', '-'): v for k, v in headers.items()}
        kept = self.connection.sock is not None
        try:
            answer = self.exchange(method, path, body, headers)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            if not kept:
                raise
            answer = self.exchange(method, path, body, headers)
        self.note(f'{method} {path} {shown(body)}: {answer.status} {len(answer.body)} bytes'
                  + (f' {shown(answer.body)}' if answer.status >= 400 else ''))
        return answer

    def exchange(self, method, path, body, headers):
        try:
            self.connection.request(method, f'/xenterm/{path}', body, headers)
            return Answer(self.connection.getresponse())
        except (OSError, http.client.HTTPException) as e:
            self.note(f'{method} {path} {shown(body)}: {e!r}')
            self.close()
            raise

    def close(self):
        """The next call connects again."""
        self.connection.close()

    def console(self, domid):
        """The entry of this domain's console; None: it is not listed, or the worker is not there."""
        return next((c for c in self.consoles() if c['domid'] == domid), None)

    def consoles(self):
        """Empty, too, while there is no worker."""
        answer = self.call('GET', 'api/v1/consoles')
        return answer.json['consoles'] if answer.status == 200 else []

    def open(self, console, mode='type'):
        answer = self.call('POST', 'api/v1/sessions', json.dumps({'console': console, 'mode': mode}),
                           Content_Type='application/json')
        assert answer.status == 201, answer.body
        return Session(self, answer.json)

class Session:
    """A viewer that keeps what the guest printed: `output`, from offset `begin` of history `run` on, what it had of
    histories before in `earlier`, and `states`, one for each event. Where it is shown a screen, what led to that is
    taken from the history."""

    def __init__(self, web, made):
        self.web, self.token, self.console = web, made['token'], made['console']
        self.next, self.seq = None, 0
        self.run, self.begin, self.output, self.earlier = None, 0, b'', []
        self.states = []

    def call(self, method, path, body=None, **headers):
        return self.web.call(method, path, body, Xenterm_Token=self.token, **headers)

    def poll(self, wait=5):
        """Takes what there is, or what comes within `wait` seconds; False: nothing did."""
        start = f'from={self.next}&' if self.next else ''
        answer = self.call('GET', f'api/v1/output?{start}wait={wait}')
        if answer.status == 204:
            return False
        assert answer.status == 200, answer.body
        self.next = answer.headers['Xenterm-Next']
        for kind, payload in frames(answer.body):
            if kind == b'j':
                event = json.loads(payload)
                if event['type'] == 'state':
                    self.states.append(event)
                    self.web.note(f'state: {event}')
                continue
            self.web.note(f'output: {shown(payload[8:])}')
            if kind == b's':
                if self.run:
                    self.earlier.append(self.output)
                self.run = self.next.split('.')[0]
                held, self.begin = self.held()
                self.output = held[:offset(payload) - self.begin]
            else:
                assert kind == b'o'
                self.output += payload[8:]
                assert self.begin + len(self.output) == offset(payload), 'bytes are missing, or came twice'
        return True

    def held(self):
        """All that the console's ring still holds, and the offset of its first byte."""
        answer = self.call('GET', 'api/v1/history?format=raw')
        if answer.status == 409:            # it has never been open
            return b'', 0
        assert answer.status == 200, answer.body
        return answer.body, int(answer.headers['Xenterm-Next'].split('.')[1]) - len(answer.body)

    def history(self):
        return self.held()[0]

    def wait(self, what, condition, seconds=30):
        """Polls until the condition holds; returns its value."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, f'not within {seconds} s: {what}; the last: {self.output[-400:]!r}'
            self.poll(wait=2)
        return value

    def wait_for(self, pattern, begin=0, seconds=30):
        """Until the regular expression is in the output behind `begin`; returns the offset behind the match."""
        return self.wait(pattern, lambda: re.compile(pattern).search(self.output, begin), seconds).end()

    def wait_for_state(self, state, begin=0, seconds=30):
        """Until one of the state events behind number `begin` says so; returns that event."""
        return self.wait(state, lambda: next((s for s in self.states[begin:] if s['state'] == state), None), seconds)

    def drain(self):
        """Takes what there is until one second has brought nothing."""
        while self.poll(wait=1):
            pass

    def type(self, text):
        self.seq += 1
        answer = self.call('POST', f'api/v1/input?seq={self.seq}', text, Content_Type='application/octet-stream')
        assert answer.status == 200 and answer.json['typed'], answer.body

    def press(self, **key):
        """A key of api/v1/keys, such as key='sysrq', arg='h'; a refused one does not use up its number."""
        answer = self.call('POST', f'api/v1/keys?seq={self.seq + 1}', json.dumps(key), Content_Type='application/json')
        self.seq += answer.status == 200
        return answer

    def resize(self, rows, cols, tell_guest=False):
        answer = self.call('POST', 'api/v1/size', json.dumps({'rows': rows, 'cols': cols, 'tell_guest': tell_guest}),
                           Content_Type='application/json')
        assert answer.status == 200, answer.body

    def ask(self, command, pattern, seconds=30):
        """Types a command at the shell's prompt and waits for the pattern; returns the offset where it was typed."""
        self.drain()
        begin = len(self.output)
        self.type(f'{command}\n')
        self.wait_for(pattern, begin, seconds)
        return begin

def shown(data, limit=200):
    """The end of it, on one line."""
    if not data:
        return ''
    return ('...' if len(data) > limit else '') + ascii(data[-limit:])

def frames(body):
    while body:
        kind, length = struct.unpack_from('>cI', body)
        assert len(body) >= 5 + length, 'the answer ends inside a frame'
        yield kind, body[5:5 + length]
        body = body[5 + length:]

def offset(payload):
    return struct.unpack_from('>Q', payload)[0]
