"""Runs the original's control program again and again without starting Python anew: each run is a fork of this process
that has the program loaded already, and calls its main function as its own script does.

Listens on the socket named by the only argument, until its standard input ends. A connection brings one line of JSON,
the words, and takes one back: what was written to stdout and stderr, and the exit code.
"""

import json
import os
import select
import signal
import socket
import sys
import tempfile
import traceback

import readline  # noqa: F401  what the program would load later
import xml.parsers.expat  # noqa: F401

from supervisor import rpcinterface, supervisorctl, xmlrpc  # noqa: F401


def run(words, output, errors):
    """The program, in this process; never returns."""
    os.dup2(output.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = words
    code = 0
    try:
        supervisorctl.main()
    except SystemExit as end:
        code = end.code
        if code is not None and not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


def serve(connection):
    words = json.loads(connection.makefile().readline())
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        pid = os.fork()
        if not pid:
            run(words, output, errors)
        _, status = os.waitpid(pid, 0)
        texts = []
        for file in output, errors:
            file.seek(0)
            texts.append(file.read().decode(errors='replace'))
        code = os.waitstatus_to_exitcode(status)
    connection.sendall(json.dumps({'output': texts[0], 'errors': texts[1], 'code': code}).encode() + b'\n')


server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen(1000)
print('ready', flush=True)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
while True:
    ready, _, _ = select.select([server, 0], [], [])
    if 0 in ready:
        break
    connection, _ = server.accept()
    if not os.fork():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        server.close()
        serve(connection)
        os._exit(0)
    connection.close()
