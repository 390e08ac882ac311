"""Calls everything that a server offers and tells, line by line, `what was called => what came`.

Arguments: the server's address, its login as name:password, the directory of its configuration.
"""

import re
import socket
import sys
import threading
import time
import xmlrpc.client
from urllib.parse import quote

ADDRESS, LOGIN, DIRECTORY = sys.argv[1:]
HOST, PORT = ADDRESS.rsplit(':', 1)
NAME, PASSWORD = LOGIN.split(':', 1)
URL = 'http://%s:%s@%s/RPC2' % (quote(NAME), quote(PASSWORD, safe=''), ADDRESS)

PIDS = {'pid'}
TIMES = {'start', 'stop', 'now'}


def plain(value, key=None):
    """A result without what differs from run to run."""
    if isinstance(value, dict):
        return {name: plain(member, name) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(member, dict) and 'status' in member for member in value):
            # Processes end in an order of their own.
            value = sorted(value, key=lambda result: (result['group'], result['name']))
        return [plain(member) for member in value]
    if key in PIDS and value:
        return 'PID'
    if key in TIMES and value:
        return 'TIME' if abs(value - time.time()) < 1000 else value
    if isinstance(value, str):
        value = re.sub(r'---supervisor-\w+\.log', '---supervisor-X.log', value)
        value = re.sub(r'pid \d+, uptime [0-9:]+', 'pid PID, uptime TIME', value)
        value = re.sub(r'\w{3} \d\d \d\d:\d\d [AP]M', 'DATE', value)
    return value


def outcome(call):
    """What a call brings, whichever way it comes."""
    try:
        return repr(plain(call()))
    except xmlrpc.client.Fault as fault:
        return 'fault %s %r' % (fault.faultCode, fault.faultString)
    except xmlrpc.client.ProtocolError as error:
        return 'HTTP %s' % error.errcode
    except Exception as error:
        return 'no answer: %s' % type(error).__name__


def tell(what, result):
    print('%s => %s' % (what, result.replace('\n', '\\n')), flush=True)


def proxy():
    return xmlrpc.client.ServerProxy(URL)


server = proxy()


def do(method, *arguments):
    """One call, told as it is written."""
    words = ', '.join(repr(argument) for argument in arguments)
    call = server
    for part in method.split('.'):
        call = getattr(call, part)
    result = outcome(lambda: call(*arguments))
    tell('%s(%s)' % (method, words if len(words) < 200 else words[:200] + '…'), result)


def told(method):
    """Only whether it was answered."""
    for part in ('supervisor', ):
        call = getattr(getattr(server, part), method)
    return call()


def log_until(name, text, stream='Stdout'):
    """Waits until a log holds it."""
    read = getattr(server.supervisor, 'readProcess%sLog' % stream)
    deadline = time.time() + 60
    while text not in read(name, 0, 0):
        assert time.time() < deadline, '%s says %s' % (name, text)
        time.sleep(0.02)


def state_until(name, state):
    deadline = time.time() + 60
    while server.supervisor.getProcessInfo(name)['statename'] != state:
        assert time.time() < deadline, '%s is %s' % (name, state)
        time.sleep(0.02)


# What it is.
for method in ['getAPIVersion', 'getVersion', 'getSupervisorVersion', 'getIdentification', 'getState']:
    do('supervisor.' + method)
    do('supervisor.' + method, 1)
tell('getPID', repr(type(server.supervisor.getPID())))
do('supervisor.getPID', 'x')

# What it says of itself.
do('system.listMethods')
do('system.listMethods', 1)
for method in server.system.listMethods() + ['supervisor.nothing', '', 'x', 'system.', 1]:
    do('system.methodSignature', method)
    # The words are each side's own, what they describe is not.
    try:
        text = server.system.methodHelp(method)
        parts = re.findall(r'@(param|return)\s+(\S+)(?:\s+(\S+))?', text)
        tell('system.methodHelp(%r)' % method, repr([part if part[0] == 'param' else part[:2] for part in parts]))
    except xmlrpc.client.Fault as fault:
        tell('system.methodHelp(%r)' % method, 'fault %s %r' % (fault.faultCode, fault.faultString))
    except xmlrpc.client.ProtocolError as error:
        tell('system.methodHelp(%r)' % method, 'HTTP %s' % error.errcode)
do('system.methodSignature')
do('system.methodHelp')

# Names that are none.
for method in ['nothing', 'supervisor', 'supervisor.nothing', 'supervisor._getState', 'supervisor.getState.x', 'other.getState',
               'system._x', 'supervisor.GETSTATE', 'system.multicall.x']:
    do(method)

# What there is.
for name in ['alive', 'idle', 'gone', 'left', 'pair:left', 'pair:*', 'pair', 'pair:', ':left', 'nobody', 'nobody:x', '', 'größer',
             'many:many_1', 'listens', 'fast', 1, True, [], {}, 1.5]:
    do('supervisor.getProcessInfo', name)
do('supervisor.getProcessInfo')
do('supervisor.getProcessInfo', 'alive', 'idle')
for number, info in enumerate(server.supervisor.getAllProcessInfo()):
    tell('getAllProcessInfo %d' % number, repr(plain(info)))
do('supervisor.getAllProcessInfo', 'x')
for number, info in enumerate(server.supervisor.getAllConfigInfo()):
    for key, value in info.items():
        tell('getAllConfigInfo %d %s' % (number, key), repr(plain(value)))
    tell('getAllConfigInfo %d keys' % number, repr(list(info)))
do('supervisor.getAllConfigInfo', 'x')

# Logs.
log_until('texts', 'zweite')
log_until('texts', 'oops', 'Stderr')
for stream in ['Stdout', 'Stderr']:
    read, tail = 'supervisor.readProcess%sLog' % stream, 'supervisor.tailProcess%sLog' % stream
    for offset, length in [(0, 0), (0, 4), (3, 5), (3, 0), (-4, 0), (-4, 2), (0, -1), (-1000, 0), (1000, 0), (1000, 5), (0, 1000), (-1, -1),
                           (2147483647, 0), (-2147483648, 0), (0, 2147483647), ('x', 0), (0, 'x'), (1.5, 0), (None and 0, 0) if False else (True, 0),
                           ('3', '4')]:
        do(read, 'texts', offset, length)
    for offset, length in [(0, 0), (0, 5), (0, 100), (5, 5), (1000, 10), (10, 1000), (-1, 10), (0, -1), (2147483647, 10), (0, 2147483647), ('x', 0), (0, 'x'), ('3', '4')]:
        do(tail, 'texts', offset, length)
    for name in ['none', 'idle', 'nobody', 'pair:*', 'pair', 'many:many_0', 1]:
        do(read, name, 0, 100)
        do(tail, name, 0, 100)
    do(read)
    do(read, 'texts')
    do(read, 'texts', 0)
    do(read, 'texts', 0, 0, 0)
    do(tail, 'texts', 0)
do('supervisor.readProcessLog', 'texts', 0, 5)
do('supervisor.tailProcessLog', 'texts', 0, 5)
# In the middle of a letter.
offset = server.supervisor.readProcessStdoutLog('texts', 0, 0).encode().index('ö'.encode())
do('supervisor.readProcessStdoutLog', 'texts', offset, 2)
do('supervisor.readProcessStdoutLog', 'texts', offset + 1, 2)
do('supervisor.tailProcessStdoutLog', 'texts', offset + 1, 5)
do('supervisor.readProcessStdoutLog', 'bytes', 0, 0)
do('supervisor.readProcessStdoutLog', 'controls', 0, 0)
do('supervisor.tailProcessStdoutLog', 'controls', 0, 100)
do('supervisor.readProcessStdoutLog', 'markup', 0, 0)

do('supervisor.clearProcessLogs', 'texts')
do('supervisor.readProcessStdoutLog', 'texts', 0, 0)
do('supervisor.clearProcessLog', 'markup')
for name in ['none', 'idle', 'nobody', 'pair:*', 1]:
    do('supervisor.clearProcessLogs', name)
do('supervisor.clearProcessLogs')
do('supervisor.clearAllProcessLogs', 'x')

# Input.
do('supervisor.sendProcessStdin', 'echoes', 'hello größer\n')
do('supervisor.sendProcessStdin', 'echoes', '')
do('supervisor.sendProcessStdin', 'echoes', '<&>]]>\r\n\tend\n')
log_until('echoes', 'end')
do('supervisor.readProcessStdoutLog', 'echoes', 0, 0)
for name, text in [('idle', 'x'), ('nobody', 'x'), ('pair:*', 'x'), ('fast', 'x'), ('echoes', 1), ('echoes', True), ('echoes', ['x']), (1, 'x')]:
    do('supervisor.sendProcessStdin', name, text)
do('supervisor.sendProcessStdin', 'echoes')
do('supervisor.sendRemoteCommEvent', 'kind', 'data')
do('supervisor.sendRemoteCommEvent', 'größer', 'with\nlines')
do('supervisor.sendRemoteCommEvent', 'kind')
do('supervisor.sendRemoteCommEvent', 1, 2)

# Signals.
for name, signal in [('alive', 'CONT'), ('alive', 'SIGCONT'), ('alive', '18'), ('alive', 18), ('alive', 'cont'), ('alive', 'NOSUCH'), ('alive', '999'),
                     ('alive', 999), ('alive', 0), ('alive', -1), ('alive', ''), ('idle', 'CONT'), ('idle', 'NOSUCH'), ('nobody', 'CONT'), ('pair:*', 'CONT'),
                     ('pair:left', 'CONT'), ('nobody:*', 'CONT'), ('alive', []), ('alive', True), (1, 'CONT')]:
    do('supervisor.signalProcess', name, signal)
do('supervisor.signalProcess', 'alive')
for group, signal in [('pair', 'CONT'), ('pair', 'NOSUCH'), ('nobody', 'CONT'), ('idle', 'CONT'), ('pair', 18)]:
    do('supervisor.signalProcessGroup', group, signal)
do('supervisor.signalAllProcesses', 'CONT')
do('supervisor.signalAllProcesses', 'NOSUCH')
do('supervisor.signalAllProcesses')

# Start and stop.
for name in ['alive', 'idle', 'nobody', 'missing', 'unfound', 'plain', 'pair:*', 'pair:left', 'nobody:*', 'nobody:x', '', 1]:
    do('supervisor.startProcess', name)
do('supervisor.startProcess', 'other', False)
state_until('other', 'RUNNING')
do('supervisor.startProcess', 'fails')
do('supervisor.startProcess', 'fails', False)
do('supervisor.startProcess', 'missing', False)
do('supervisor.startProcess', 'alive', False)
do('supervisor.startProcess', 'alive', 'yes')
do('supervisor.startProcess', 'alive', 0)
do('supervisor.startProcess', 'alive', True, 1)
do('supervisor.startProcess')
for name in ['idle', 'idle', 'nobody', 'missing', 'pair:left', 'pair:*', 'pair:*', 'nobody:*', '', 1]:
    do('supervisor.stopProcess', name)
do('supervisor.stopProcess', 'other', False)
state_until('other', 'STOPPED')
do('supervisor.stopProcess')
do('supervisor.getProcessInfo', 'other')
do('supervisor.getProcessInfo', 'fails')
for group in ['pair', 'pair', 'nobody', 'idle', 'mixed', '', 1]:
    do('supervisor.startProcessGroup', group)
do('supervisor.startProcessGroup', 'pair', False)
do('supervisor.startProcessGroup')
do('supervisor.stopProcessGroup', 'mixed', False)
for group in ['pair', 'pair', 'nobody', 'idle', '']:
    do('supervisor.stopProcessGroup', group)
do('supervisor.stopProcessGroup')
do('supervisor.startAllProcesses', 1, 2)
do('supervisor.stopAllProcesses', 1, 2)

# Several at once.
many = server.system.multicall
do('system.multicall', [])
do('system.multicall', [{'methodName': 'supervisor.getAPIVersion', 'params': []}])
do('system.multicall', [{'methodName': 'supervisor.getAPIVersion'}, {'methodName': 'supervisor.getState', 'params': []}])
do('system.multicall', [{'methodName': 'supervisor.getProcessInfo', 'params': ['nobody']}, {'methodName': 'supervisor.nothing'},
                        {'methodName': 'supervisor.getProcessInfo', 'params': []}, {'params': []}, {},
                        {'methodName': 'system.multicall', 'params': [[]]}, {'methodName': 'supervisor.getAPIVersion', 'params': ['x']}])
do('system.multicall', [{'methodName': 'supervisor.startProcess', 'params': ['idle']}, {'methodName': 'supervisor.stopProcess', 'params': ['idle']},
                        {'methodName': 'supervisor.startProcessGroup', 'params': ['pair']}, {'methodName': 'supervisor.stopProcessGroup', 'params': ['pair']}])
do('system.multicall', [{'methodName': 'supervisor.readProcessStdoutLog', 'params': ['echoes', 'x', 0]}])
do('system.multicall', 'x')
do('system.multicall', [1])
do('system.multicall')
do('system.multicall', [], [])

# Who waits does not hold up others.
waiting = threading.Thread(target=lambda: tell('slow start', outcome(lambda: proxy().supervisor.startProcess('slow'))))
waiting.start()
state_until('slow', 'STARTING')
tell('beside a waiting call', outcome(lambda: [server.supervisor.getState()['statename'], server.supervisor.startProcess('idle'), server.supervisor.stopProcess('idle')]))
tell('the waiting call waits', repr(waiting.is_alive()))
waiting.join()

# What it reads anew.
do('supervisor.reloadConfig')
do('supervisor.reloadConfig', 'x')
conf = DIRECTORY + '/supervisord.conf'
before = open(conf).read()
open(conf, 'w').write(before.replace('sleep 1001', 'sleep 1002').replace('[program:goes]', '[program:comes]'))
do('supervisor.reloadConfig')
for name in ['comes', 'comes', 'goes', 'nobody', 'comes:*', '', 1]:
    do('supervisor.addProcessGroup', name)
do('supervisor.addProcessGroup')
for name in ['goes', 'alive', 'nobody', 'alive:*', '', 1]:
    do('supervisor.removeProcessGroup', name)
do('supervisor.removeProcessGroup')
do('supervisor.stopProcess', 'goes')
do('supervisor.removeProcessGroup', 'goes')
do('supervisor.reloadConfig')
open(conf, 'w').write(before + '\n[program:bad]\ncommand=true\nstartsecs=soon\n')
do('supervisor.reloadConfig')
open(conf, 'w').write(before)

# The main log.
for offset, length in [(0, -1), (-5, 5), ('x', 0)]:
    do('supervisor.readLog', offset, length)
tell('readLog', repr(type(server.supervisor.readLog(-100, 0))))
tell('readMainLog', repr(len(server.supervisor.readMainLog(0, 20))))
do('supervisor.readLog')
do('supervisor.clearLog', 1)
do('supervisor.clearLog')


def raw(what, request, until_close=True):
    """The status line that a request gets."""
    connection = socket.create_connection((HOST, int(PORT)))
    connection.settimeout(20)
    try:
        connection.sendall(request.encode())
        answer = b''
        while b'\r\n' not in answer:
            more = connection.recv(4096)
            if not more:
                break
            answer += more
        words = answer.split(b'\r\n')[0].decode().split(' ')
        tell('raw ' + what, ' '.join(words[:2]) or 'closed')
    except Exception as error:
        tell('raw ' + what, type(error).__name__)
    connection.close()


import base64
AUTH = 'Authorization: Basic %s\r\n' % base64.b64encode(LOGIN.encode()).decode()
CALL = '<?xml version="1.0"?><methodCall><methodName>supervisor.getState</methodName><params/></methodCall>'
LENGTH = 'Content-Length: %d\r\n' % len(CALL)
raw('call', 'POST /RPC2 HTTP/1.1\r\nHost: x\r\n' + AUTH + LENGTH + '\r\n' + CALL)
raw('call without params', 'POST /RPC2 HTTP/1.1\r\nHost: x\r\n' + AUTH + 'Content-Length: %d\r\n\r\n' % (len(CALL) - 9) + CALL.replace('<params/>', ''))
raw('call in HTTP/1.0', 'POST /RPC2 HTTP/1.0\r\n' + AUTH + LENGTH + '\r\n' + CALL)
raw('call below', 'POST /RPC2/x HTTP/1.1\r\nHost: x\r\n' + AUTH + LENGTH + '\r\n' + CALL)
raw('call without login', 'POST /RPC2 HTTP/1.1\r\nHost: x\r\n' + LENGTH + '\r\n' + CALL)
raw('call with a wrong login', 'POST /RPC2 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDp5\r\n' + LENGTH + '\r\n' + CALL)
raw('call with another kind of login', 'POST /RPC2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer eDp5\r\n' + LENGTH + '\r\n' + CALL)
raw('call without length', 'POST /RPC2 HTTP/1.1\r\nHost: x\r\n' + AUTH + '\r\n')
raw('call without a body', 'POST /RPC2 HTTP/1.1\r\nHost: x\r\n' + AUTH + 'Content-Length: 0\r\n\r\n')
raw('call that is no XML', 'POST /RPC2 HTTP/1.1\r\nHost: x\r\n' + AUTH + 'Content-Length: 5\r\n\r\nhello')
raw('call that is cut', 'POST /RPC2 HTTP/1.1\r\nHost: x\r\n' + AUTH + 'Content-Length: 30\r\n\r\n' + CALL[:30])
raw('call without a name', 'POST /RPC2 HTTP/1.1\r\nHost: x\r\n' + AUTH + 'Content-Length: 25\r\n\r\n<methodCall></methodCall>')
raw('GET', 'GET /RPC2 HTTP/1.1\r\nHost: x\r\n' + AUTH + '\r\n')

# Whether the original finds them gone before it looks is chance.
GONE_AT_ONCE = {'gone', 'bytes', 'controls', 'markup'}

# All of them, in an order that is nobody's promise.
for method in ['stopAllProcesses', 'startAllProcesses']:
    results = getattr(server.supervisor, method)()
    for result in sorted(results, key=lambda result: (result['group'], result['name'])):
        if method == 'startAllProcesses' and result['name'] in GONE_AT_ONCE:
            result = {key: result[key] for key in ['group', 'name']}
        tell('%s %s:%s' % (method, result['group'], result['name']), repr(plain(result)))
do('supervisor.stopAllProcesses', False)
do('supervisor.restart', 1)
do('supervisor.shutdown', 1)
do('supervisor.shutdown')
