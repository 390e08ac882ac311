//! Control connections: bytes in, bytes out, who is streaming what. What is asked is answered in `requests`.
//!
//! A client that does not read costs itself: its requests wait, and past its limit it is dropped.

use std::os::fd::{AsRawFd, OwnedFd};

use super::{Daemon, LISTENER_REST, Poll, Token};
use crate::config::LogLevel;
use crate::event::{Event, Kind, Output};
use crate::logs::TailReader;
use crate::program::Now;
use crate::protocol::{self, Code, DataLine, Framer, Line, Stream, TooLong};
use crate::sorted::{Map, Set};
use crate::supervisor::{ClientId, Input, ProcessId, display_name};
use crate::sys::fds::{self, Read, Written};
use crate::sys::poll::{Event as Ready, Interest};
use crate::sys::socket::{self, Peer};
use crate::sys::users;

/// Clients at once.
const MAX_CLIENTS: usize = 1024;
/// Bytes of replies that a client may leave unread.
const BACKLOG_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of output that somebody who follows it may be behind; more is left out and counted.
const FOLLOW_BACKLOG_BYTES: usize = 1024 * 1024;
/// Bytes of replies above which a client's next request waits.
const ENOUGH_BYTES: usize = 64 * 1024;
/// Bytes read from a client at a time.
const READ_BYTES: usize = 16 * 1024;
/// Connections accepted in one turn.
const ACCEPTS_PER_TURN: usize = 64;
/// The answer to somebody who speaks HTTP while no gateway is installed.
const NO_GATEWAY: &[u8] =
    b"HTTP/1.1 501 Not Implemented\r\nContent-Type: text/plain\r\nContent-Length: 60\r\nConnection: close\r\n\r\n\
visor-http is not installed: use svc, or install visor-http\n";

/// All control connections.
#[derive(Debug, Default)]
pub(super) struct Clients {
    all: Map<ClientId, Client>,
    next: u64,
    /// Clients whose buffer may be written.
    dirty: Set<ClientId>,
    /// Clients that have more to do, in the next turn: nobody starves the others.
    later: Set<ClientId>,
    /// Who follows which stream.
    followers: Map<(ProcessId, Stream), Vec<ClientId>>,
    /// Who follows visor's own log.
    main_followers: Vec<ClientId>,
    watchers: Vec<ClientId>,
}

#[derive(Debug)]
struct Client {
    fd: OwnedFd,
    framer: Framer,
    out: Vec<u8>,
    /// Bytes of `out` that are written.
    written: usize,
    mode: Mode,
    /// It sends nothing more, or nothing more that is listened to.
    ended: bool,
    /// Its last line had no end within the limit.
    too_long: Option<TooLong>,
    /// It is dropped when its buffer is written.
    closing: bool,
}

/// What a client is doing.
#[derive(Debug)]
pub(super) enum Mode {
    /// The first byte of the connection decides who serves it.
    Fresh,
    /// Its next request is taken.
    Idle,
    /// A request is under way.
    Waiting,
    /// A file is being sent.
    Sending(TailReader),
    /// Output is sent as it comes, for ever; bytes that a slow reader missed are counted.
    Following { missed: u64 },
    /// Events of these types (none = all but output and ticks) and processes (none = all) are sent as they come, for ever.
    Watching { kinds: Vec<String>, names: Vec<String>, missed: u64 },
}

impl Clients {
    pub fn add(&mut self, fd: OwnedFd, poll: &mut Poll) {
        let id = ClientId(self.next);
        self.next = self.next.wrapping_add(1);
        poll.set(Token::Client(id), fd.as_raw_fd(), Interest::READ);
        let client = Client {
            fd,
            framer: Framer::new(),
            out: Vec::new(),
            written: 0,
            mode: Mode::Fresh,
            ended: false,
            too_long: None,
            closing: false,
        };
        self.all.insert(id, client);
    }

    /// Appends what `write` writes to a client's replies.
    pub fn put(&mut self, id: ClientId, write: impl FnOnce(&mut Vec<u8>)) {
        if let Some(client) = self.all.get_mut(&id) {
            write(&mut client.out);
            self.dirty.insert(id);
        }
    }

    /// One line of a reply; an end makes room for the next request.
    pub fn reply(&mut self, id: ClientId, line: &Line) {
        let Some(client) = self.all.get_mut(&id) else { return };
        line.write_to(&mut client.out);
        self.dirty.insert(id);
        if line.is_end() {
            self.set_mode(id, Mode::Idle);
        }
    }

    pub fn set_mode(&mut self, id: ClientId, mode: Mode) {
        if let Some(client) = self.all.get_mut(&id) {
            client.mode = mode;
            self.dirty.insert(id);
        }
    }

    pub fn follow(&mut self, id: ClientId, process: ProcessId, stream: Stream) {
        self.set_mode(id, Mode::Following { missed: 0 });
        self.followers.change((process, stream), |ids| ids.push(id));
    }

    pub fn follow_main(&mut self, id: ClientId) {
        self.set_mode(id, Mode::Following { missed: 0 });
        self.main_followers.push(id);
    }

    pub fn watch(&mut self, id: ClientId, kinds: Vec<String>, names: Vec<String>) {
        self.set_mode(id, Mode::Watching { kinds, names, missed: 0 });
        self.watchers.push(id);
    }

    pub fn anybody_follows_main(&self) -> bool {
        !self.main_followers.is_empty()
    }

    /// A chunk of output for those who follow it.
    pub fn output(&mut self, process: ProcessId, stream: Stream, chunk: &[u8]) {
        if self.followers.is_empty() {
            return;
        }
        for id in self.followers.get(&(process, stream)).into_iter().flatten() {
            if let Some(client) = self.all.get_mut(id) {
                client.follow(chunk);
                self.dirty.insert(*id);
            }
        }
    }

    /// Lines of visor's own log for those who follow it.
    pub fn main_output(&mut self, lines: &[u8]) {
        for id in &self.main_followers {
            if let Some(client) = self.all.get_mut(id) {
                client.follow(lines);
                self.dirty.insert(*id);
            }
        }
    }

    /// A process is forgotten: who follows it hears that nothing more will come.
    pub fn process_removed(&mut self, process: ProcessId) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            for id in self.followers.remove(&(process, stream)).unwrap_or_default() {
                self.reply(id, &Line::Error(Code::BadName, "the process was removed".to_string()));
            }
        }
    }

    /// Tells watchers; one who is too slow is told later how much was missed.
    pub fn event(&mut self, event: &Event, now: Now) {
        for id in &self.watchers {
            let Some(client) = self.all.get_mut(id) else { continue };
            let behind = client.backlog() > ENOUGH_BYTES;
            let Mode::Watching { kinds, names, missed } = &mut client.mode else { continue };
            if !is_wanted(event.kind(), kinds) || !concerns(event, names) {
                continue;
            }
            if behind {
                *missed = missed.saturating_add(1);
                continue;
            }
            client.tell_missed();
            write_event(&mut client.out, event, now);
            self.dirty.insert(*id);
        }
    }

    /// Whether something is to be done for a client without waiting for anything.
    pub fn are_busy(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// How many are connected.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn any_pending(&self) -> bool {
        self.all.values().any(|client| client.backlog() > 0)
    }

    fn drop_client(&mut self, id: ClientId, poll: &mut Poll) -> bool {
        poll.remove(Token::Client(id));
        self.watchers.retain(|other| *other != id);
        self.main_followers.retain(|other| *other != id);
        self.followers.retain(|_, ids| {
            ids.retain(|other| *other != id);
            !ids.is_empty()
        });
        self.dirty.remove(&id);
        self.later.remove(&id);
        self.all.remove(&id).is_some_and(|client| matches!(client.mode, Mode::Waiting))
    }
}

/// Whether a watcher of these types (none = all but output and ticks) wants to hear of it.
fn is_wanted(kind: Kind, kinds: &[String]) -> bool {
    match kind {
        Kind::Communication(_) | Kind::Log(_) | Kind::Tick(_) if kinds.is_empty() => false,
        _ if kinds.is_empty() => true,
        _ => kinds.iter().any(|wanted| kind.is_of(wanted)),
    }
}

/// Whether a watcher of `names` (none = all) wants to hear of it. `group:*` and `all` mean what they mean elsewhere.
fn concerns(event: &Event, names: &[String]) -> bool {
    if names.is_empty() || names.iter().any(|name| name == "all") {
        return true;
    }
    match event {
        Event::ProcessState { process, group, .. }
        | Event::Communication(Output { process, group, .. })
        | Event::Log(Output { process, group, .. }) => names.iter().any(|name| match name.split_once(':') {
            Some((wanted, "" | "*")) => wanted == group,
            Some((wanted, name)) => wanted == group && name == process,
            None => name == group && name == process,
        }),
        Event::GroupAdded { group } | Event::GroupRemoved { group } => {
            names.iter().any(|name| name.split_once(':').map_or(name.as_str(), |(wanted, _)| wanted) == group)
        }
        Event::SupervisorRunning | Event::SupervisorStopping | Event::Remote { .. } | Event::Tick { .. } => true,
    }
}

fn write_event(out: &mut Vec<u8>, event: &Event, now: Now) {
    let line = DataLine::new(out).key("event", event.name());
    let line = match event {
        Event::ProcessState { process, group, from, to, tries, pid, expected } => line
            .key("name", display_name(group, process))
            .key("from", from.word())
            .key("to", to.word())
            .number("pid", pid)
            .number("tries", tries)
            .key("expected", if *expected { "yes" } else { "no" }),
        Event::GroupAdded { group } | Event::GroupRemoved { group } => line.key("group", group),
        Event::Communication(output) | Event::Log(output) => line
            .key("name", display_name(&output.group, &output.process))
            .number("pid", output.pid)
            .key("stream", output.stream.word())
            .key("data", &output.data),
        Event::Remote { kind, data } => line.key("type", kind).key("data", data),
        Event::Tick { when, .. } => line.number("when", when),
        Event::SupervisorRunning | Event::SupervisorStopping => line,
    };
    line.key("time", format!("{}.{:03}", now.wall.as_secs(), now.wall.subsec_millis())).end();
}

impl Daemon {
    /// Accepts, reads and answers.
    pub(super) fn serve_clients(&mut self, events: &[Ready<Token>], now: Now) {
        for event in events {
            match event.token {
                Token::Listener(index) => self.accept(index, now),
                Token::Client(id) => {
                    if event.readable {
                        self.read_client(id, now);
                    }
                    self.clients.dirty.insert(id);
                }
                Token::Signals
                | Token::Pipe(_)
                | Token::Status(_)
                | Token::Stdin(_)
                | Token::Console(_)
                | Token::Foreground => {}
            }
        }
    }

    pub(super) fn accept(&mut self, index: usize, now: Now) {
        for _ in 0..ACCEPTS_PER_TURN {
            let Some(listener) = self.listeners.get_mut(index) else { return };
            match listener.accept() {
                Ok(Some((fd, peer))) => self.admit(fd, peer),
                Ok(None) => return,
                Err(error) => {
                    self.complain(&format!("cannot accept a control connection: {error}"));
                    self.poll.remove(Token::Listener(index));
                    self.listen_again = Some(now.mono.saturating_add(LISTENER_REST));
                    return;
                }
            }
        }
    }

    fn admit(&mut self, fd: OwnedFd, peer: Peer) {
        let mut refusal = Vec::new();
        if peer.uid != 0 && peer.uid != users::effective_uid() {
            let text = format!("uid {} may not control this visor", peer.uid);
            protocol::write_error(&mut refusal, Code::NotPermitted, &text);
            self.log(LogLevel::Warn, &format!("refused a control connection: {text} (pid {})", peer.pid));
        } else if self.clients.all.len() >= MAX_CLIENTS {
            protocol::write_error(&mut refusal, Code::Busy, &format!("{MAX_CLIENTS} clients are connected"));
        }
        if refusal.is_empty() {
            self.clients.add(fd, &mut self.poll);
        } else {
            // Told as far as there is room, and gone.
            let _ = socket::write(&fd, &refusal);
        }
    }

    fn read_client(&mut self, id: ClientId, now: Now) {
        let mut buffer = [0_u8; READ_BYTES];
        let Some(client) = self.clients.all.get_mut(&id) else { return };
        match fds::read(&client.fd, &mut buffer) {
            Ok(Read::Bytes(count)) => {
                let bytes = buffer.get(..count).unwrap_or_default();
                if matches!(client.mode, Mode::Fresh) {
                    client.mode = Mode::Idle;
                    // Verbs begin with a small letter, HTTP's methods with a capital.
                    if bytes.first().is_some_and(u8::is_ascii_uppercase) {
                        client.out.extend_from_slice(NO_GATEWAY);
                        client.closing = true;
                        client.ended = true;
                        return;
                    }
                }
                if let Err(error) = client.framer.push(bytes) {
                    client.too_long = Some(error);
                    client.ended = true;
                }
            }
            Ok(Read::End) => client.ended = true,
            Ok(Read::WouldBlock) => {}
            Err(_) => self.lose_client(id, now),
        }
    }

    /// Takes requests, writes replies, drops who is done or too slow, for every client that something happened to.
    pub(super) fn flush_clients(&mut self, now: Now) {
        self.tell_followers();
        while let Some(id) = self.clients.dirty.pop_first() {
            self.serve(id, now);
            self.carry_out(now);
            self.write_client(id, now);
            // What was just done is in the log, and nothing else may happen for long.
            self.tell_followers();
        }
        self.clients.dirty = std::mem::take(&mut self.clients.later);
        if !self.clients.anybody_follows_main() {
            self.outputs.voice.followed = None;
        }
    }

    /// New lines of visor's own log for those who follow it.
    fn tell_followers(&mut self) {
        if let Some(followed) = &mut self.outputs.voice.followed
            && !followed.is_empty()
        {
            self.clients.main_output(followed);
            followed.clear();
        }
    }

    /// Takes a client's requests one after the other, as long as it reads the replies.
    fn serve(&mut self, id: ClientId, now: Now) {
        loop {
            let Some(client) = self.clients.all.get_mut(&id) else { return };
            let enough = client.backlog() > ENOUGH_BYTES;
            match &mut client.mode {
                Mode::Sending(reader) if !enough => {
                    let mut block = Vec::new();
                    match reader.next_block(&mut block) {
                        Ok(true) => protocol::write_block(&mut client.out, &block),
                        Ok(false) => {
                            protocol::write_ok(&mut client.out, "");
                            client.mode = Mode::Idle;
                        }
                        Err(error) => {
                            let text = format!("cannot read the log: {error}");
                            protocol::write_error(&mut client.out, Code::Failed, &text);
                            client.mode = Mode::Idle;
                        }
                    }
                }
                Mode::Idle if !enough => match client.framer.next_line() {
                    Some(line) => self.answer(id, &line, now),
                    None => {
                        // Replies come in order: this one after those of the lines before.
                        if let Some(error) = client.too_long.take() {
                            protocol::write_error(&mut client.out, Code::BadRequest, &error.to_string());
                        }
                        client.closing |= client.ended;
                        return;
                    }
                },
                Mode::Following { .. } | Mode::Watching { .. } if client.ended => {
                    client.closing = true;
                    return;
                }
                Mode::Fresh => {
                    client.closing |= client.ended;
                    return;
                }
                Mode::Idle | Mode::Sending(_) | Mode::Waiting | Mode::Following { .. } | Mode::Watching { .. } => {
                    return;
                }
            }
        }
    }

    fn write_client(&mut self, id: ClientId, now: Now) {
        let Some(client) = self.clients.all.get_mut(&id) else { return };
        let held_back = client.backlog() > ENOUGH_BYTES;
        while client.written < client.out.len() {
            match socket::write(&client.fd, client.out.get(client.written..).unwrap_or_default()) {
                Ok(Written::Bytes(count)) => client.written = client.written.saturating_add(count),
                Ok(Written::WouldBlock) => break,
                Ok(Written::Gone) | Err(_) => return self.lose_client(id, now),
            }
        }
        client.forget_written();
        if client.backlog() == 0 {
            // It has caught up, and learns what it missed even if nothing happens any more.
            client.tell_missed();
        }
        let left = client.backlog();
        if left == 0 {
            if client.closing {
                return self.lose_client(id, now);
            }
            // What it asked for next, or the next block of a file, was held back until now.
            if held_back {
                self.clients.later.insert(id);
            }
        } else if left > BACKLOG_BYTES && !matches!(client.mode, Mode::Idle) {
            self.log(LogLevel::Warn, "dropped a control client that does not read");
            return self.lose_client(id, now);
        }
        let Some(client) = self.clients.all.get_mut(&id) else { return };
        let read = !client.ended && client.framer.buffered() <= protocol::MAX_REQUEST_BYTES;
        let interest = Interest { read, write: left > 0 };
        self.poll.set(Token::Client(id), client.fd.as_raw_fd(), interest);
    }

    fn lose_client(&mut self, id: ClientId, now: Now) {
        if self.clients.drop_client(id, &mut self.poll) {
            self.input(Input::ClientGone(id), now);
        }
    }
}

impl Client {
    fn backlog(&self) -> usize {
        self.out.len().saturating_sub(self.written)
    }

    /// Tells a follower or watcher what it missed, if it did.
    fn tell_missed(&mut self) {
        let (Mode::Following { missed } | Mode::Watching { missed, .. }) = &mut self.mode else { return };
        let missed = std::mem::take(missed);
        if missed > 0 {
            DataLine::new(&mut self.out).number("missed", missed).end();
        }
    }

    /// A reader that is always a little behind never empties its buffer: what is written is let go all the same, whenever
    /// that moves no more than it frees.
    fn forget_written(&mut self) {
        if self.written >= self.backlog() {
            self.out.drain(..self.written.min(self.out.len()));
            self.out.shrink_to(ENOUGH_BYTES);
            self.written = 0;
        }
    }

    /// Adds a block for a follower, or counts it when it reads too slowly.
    fn follow(&mut self, block: &[u8]) {
        let behind = self.backlog() > FOLLOW_BACKLOG_BYTES;
        let Mode::Following { missed } = &mut self.mode else { return };
        if behind {
            *missed = missed.saturating_add(block.len() as u64);
            return;
        }
        self.tell_missed();
        protocol::write_block(&mut self.out, block);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client() -> Client {
        let (fd, _) = fds::pipe().unwrap();
        let (framer, mode) = (Framer::new(), Mode::Following { missed: 0 });
        Client { fd, framer, out: Vec::new(), written: 0, mode, ended: false, too_long: None, closing: false }
    }

    #[test]
    fn reader_that_is_always_behind_costs_no_more_than_its_backlog() {
        let mut client = client();
        for _ in 0..1000 {
            client.follow(&[b'x'; 1000]);
            // It has read all but the last bytes.
            client.written = client.out.len() - 10;
            client.forget_written();
            assert_eq!(client.out.len() - client.written, 10);
        }
        assert!(client.out.len() < 10_000 && client.out.capacity() <= ENOUGH_BYTES, "{}", client.out.capacity());
    }

    #[test]
    fn what_is_not_written_is_kept() {
        let mut client = client();
        client.out.extend_from_slice(b"0123456789");
        client.written = 3;
        client.forget_written();
        assert_eq!((&client.out[client.written..], client.backlog()), (&b"3456789"[..], 7));
        client.written = 6;
        client.forget_written();
        assert_eq!((&client.out[client.written..], client.backlog()), (&b"6789"[..], 4));
    }
}
