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

    def __init__(self, port, certificate, user, password):
        self.port = port
        self.tls = ssl.create_default_context(cafile=certificate)
        self.authorization = 'Basic ' + base64.b64encode(f'{user}:{password}'.encode()).decode()

    def call(self, method, path, body=None, **headers):
        connection = http.client.HTTPSConnection('127.0.0.1', self.port, context=self.tls, timeout=60)
        headers = {'Authorization': self.authorization} | {k.replace('_', '-'): v for k, v in headers.items()}
        try:
            connection.request(method, f'/xenterm/{path}', body, headers)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def console(self, domid):
        """The entry of this domain's console; None: it is not listed, or the worker is not there."""
        answer = self.call('GET', 'api/v1/consoles')
        entries = answer.json['consoles'] if answer.status == 200 else []
        return next((c for c in entries if c['domid'] == domid), None)

    def open(self, console, mode='type'):
        answer = self.call('POST', 'api/v1/sessions', json.dumps({'console': console, 'mode': mode}),
                           Content_Type='application/json')
        assert answer.status == 201, answer.body
        return Session(self, answer.json)


class Session:
    """A viewer that keeps all it was told: `output` from offset 0 on, and `states`, one for each event."""

    def __init__(self, web, made):
        self.web, self.token, self.console = web, made['token'], made['console']
        self.next, self.seq = None, 0
        self.output, self.states = b'', []

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
            elif kind == b's':
                self.output = payload[8:]       # from the history's beginning: the story is a short one
                assert len(self.output) == offset(payload)
            else:
                assert kind == b'o'
                self.output += payload[8:]
                assert len(self.output) == offset(payload), 'bytes are missing, or came twice'
        return True

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

    def ask(self, command, pattern, seconds=30):
        """Types a command at the shell's prompt and waits for the pattern; returns the offset where it was typed."""
        self.drain()
        begin = len(self.output)
        self.type(f'{command}\n')
        self.wait_for(pattern, begin, seconds)
        return begin


def frames(body):
    while body:
        kind, length = struct.unpack_from('>cI', body)
        assert len(body) >= 5 + length, 'the answer ends inside a frame'
        yield kind, body[5:5 + length]
        body = body[5 + length:]


def offset(payload):
    return struct.unpack_from('>Q', payload)[0]
