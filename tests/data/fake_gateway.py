# A gateway for tests: it does what MODE says, answers what requests ask for, and tells of itself on stderr.
import os, queue, signal, socket, sys, threading, time, urllib.parse

channel = socket.socket(fileno=3)
controls = queue.Queue()
lock = threading.Lock()


def tell(text):
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def ask_control(rights):
    # Answers come in the order of the questions.
    with lock:
        channel.send((" message=control rights=%s\n" % rights).encode())
        return controls.get(timeout=30)


def converse(rights, lines):
    """One line after the other over one control connection; everything that was answered."""
    connection = ask_control(rights)
    if isinstance(connection, str):
        return "refused " + connection
    connection.setblocking(True)
    reader = connection.makefile("rb")
    said = []
    for line in lines:
        connection.sendall(line.encode() + b"\n")
        while True:
            answer = reader.readline().decode()
            said.append(answer)
            if answer.startswith(" bytes="):
                reader.read(int(answer.strip()[6:]) + 1)
            if not answer or not answer.startswith(" "):
                break
    return "".join(said)


def serve(connection, server, peer):
    connection.setblocking(True)
    head = b""
    while b"\r\n\r\n" not in head:
        more = connection.recv(65536)
        if not more:
            return
        head += more
    if b" /" not in head:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()
        return
    path = head.split(b" ")[1].decode()
    words = [urllib.parse.unquote(word) for word in path.split("/")[1:]]
    if words[0] == "ask":
        body = converse(words[1], words[2:])
    elif words[0] == "hold":
        kept = [ask_control("all") for _ in range(int(words[1]))]
        body = " ".join("refused" if isinstance(one, str) else "given" for one in kept)
    elif words[0] == "leave":
        try:
            channel.send(b" message=leaving\n")
        except OSError:
            pass  # It left already.
        # What comes now is still to be served: visor hears of it only when it has time.
        time.sleep(0.2)
        body = "left %d" % os.getpid()
    else:
        body = "pid=%d server=%s peer=%s read=%s" % (os.getpid(), server, peer, head.decode())
    answer = "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body.encode()), body)
    connection.sendall(answer.encode())
    connection.close()


def flood(count):
    for _ in range(count):
        channel.send(b" message=control rights=all\n")


if MODE == "crash":
    tell("crashing")
    sys.exit(3)
if MODE == "hang":
    tell("hanging")
    time.sleep(1000)
if MODE == "nonsense":
    channel.send(b"GET / HTTP/1.1\n")
    time.sleep(1000)
if MODE == "closed":
    channel.close()
    os.close(3) if os.path.exists("/proc/self/fd/3") else None
    time.sleep(1000)
if MODE == "flood":
    threading.Thread(target=flood, args=(10**9,), daemon=True).start()
if MODE == "deaf flood":
    flood(10**9)
if MODE == "loud":
    for number in range(20000):
        tell("line %d \x1b[31m" % number)
if MODE == "stubborn":
    signal.signal(signal.SIGTERM, lambda *_: (tell("got TERM"), os._exit(0)))

while True:
    packet, fds, _, _ = socket.recv_fds(channel, 65536, 1)
    if not packet:
        break
    text = packet.decode()
    message = dict(word.split("=", 1) for word in text.split())
    if message["message"] in ("server", "settings"):
        tell("heard" + text.rstrip("\n"))
    elif message["message"] == "connection":
        connection = socket.socket(fileno=fds[0])
        threading.Thread(target=serve, args=(connection, message["server"], message["peer"])).start()
    elif message["message"] == "control":
        controls.put(socket.socket(fileno=fds[0]))
    else:
        controls.put(message["text"])
tell("end of file")
if MODE == "stubborn":
    while True:
        time.sleep(1000)
