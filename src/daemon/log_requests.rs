//! What is asked about logs: the end of one, a part of one, what is added to one, and emptying them.

use std::io;
use std::path::{Path, PathBuf};

use super::Daemon;
use super::client::Mode;
use crate::logs::TailReader;
use crate::protocol::{Code, DataLine, Stream};
use crate::supervisor::ClientId;

/// Bytes of a log that a follower may begin with.
const MAX_FOLLOW_START: u64 = 1024 * 1024;

impl Daemon {
    pub(super) fn tail(&mut self, client: ClientId, name: &str, stream: Stream, bytes: u64) {
        let Some(id) = self.supervisor.find(name) else {
            return self.refuse(client, Code::BadName, &format!("no such process `{name}`"));
        };
        if let Some(ring) = self.outputs.ring(id, stream) {
            let block = ring.tail(bytes);
            self.clients.put(client, &mut |out| crate::protocol::write_block(out, &block));
            return self.done(client);
        }
        let Some(path) = self.outputs.path(id, stream) else {
            return self.refuse(client, Code::NoFile, &format!("{name} has no {} log file", stream.word()));
        };
        match TailReader::open(path, bytes) {
            Ok(reader) => self.clients.set_mode(client, Mode::Sending(reader)),
            Err(error) => {
                let text = format!("cannot open log `{}`: {error}", path.display());
                self.refuse(client, Code::NoFile, &text);
            }
        }
    }

    pub(super) fn follow(&mut self, client: ClientId, name: &str, stream: Stream, bytes: u64) {
        let Some(id) = self.supervisor.find(name) else {
            return self.refuse(client, Code::BadName, &format!("no such process `{name}`"));
        };
        match self.outputs.ring(id, stream) {
            Some(ring) if bytes > 0 => {
                let block = ring.tail(bytes);
                self.clients.put(client, &mut |out| crate::protocol::write_block(out, &block));
            }
            Some(_) | None => {
                let path = self.outputs.path(id, stream).map(Path::to_path_buf);
                self.begin_follow(client, path, bytes);
            }
        }
        self.clients.follow(client, id, stream);
    }

    /// What a follower begins with: the last `bytes` of the log, as far as there is one.
    fn begin_follow(&mut self, client: ClientId, path: Option<PathBuf>, bytes: u64) {
        if let Some(path) = path.filter(|_| bytes > 0)
            && let Ok(block) = crate::logs::tail(&path, bytes, MAX_FOLLOW_START)
        {
            self.clients.put(client, &mut |out| crate::protocol::write_block(out, &block));
        }
    }

    pub(super) fn maintail(&mut self, client: ClientId, follow: bool, bytes: u64) {
        let path = self.outputs.voice.path().map(Path::to_path_buf);
        if follow {
            self.begin_follow(client, path, bytes);
            self.outputs.voice.followed.get_or_insert_with(Vec::new);
            return self.clients.follow_main(client);
        }
        let reader = path.ok_or_else(|| "visor has no log file".to_string()).and_then(|path| {
            TailReader::open(&path, bytes).map_err(|error| format!("cannot open log `{}`: {error}", path.display()))
        });
        match reader {
            Ok(reader) => self.clients.set_mode(client, Mode::Sending(reader)),
            Err(text) => self.refuse(client, Code::NoFile, &text),
        }
    }

    /// A part of a process' log.
    pub(super) fn read(&mut self, client: ClientId, name: &str, stream: Stream, part: (u64, u64)) {
        let Some(id) = self.supervisor.find(name) else {
            return self.refuse(client, Code::BadName, &format!("no such process `{name}`"));
        };
        if let Some(ring) = self.outputs.ring(id, stream) {
            let (size, block) = (ring.total(), ring.part(part.0, part.1));
            self.clients.put(client, &mut |out| {
                DataLine::new(out).number("size", size).end();
                crate::protocol::write_block(out, &block);
            });
            return self.done(client);
        }
        let path = self.outputs.path(id, stream).map(Path::to_path_buf);
        self.send_part(client, path, part);
    }

    /// A part of visor's own log.
    pub(super) fn mainread(&mut self, client: ClientId, part: (u64, u64)) {
        let path = self.outputs.voice.path().map(Path::to_path_buf);
        self.send_part(client, path, part);
    }

    fn send_part(&mut self, client: ClientId, path: Option<PathBuf>, (offset, length): (u64, u64)) {
        let Some(path) = path else { return self.refuse(client, Code::NoFile, "") };
        match TailReader::open_at(&path, offset, length) {
            Ok((reader, size)) => {
                self.clients.put(client, &mut |out| DataLine::new(out).number("size", size).end());
                self.clients.set_mode(client, Mode::Sending(reader));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.refuse(client, Code::NoFile, &path.display().to_string());
            }
            Err(error) => self.refuse(client, Code::Failed, &format!("cannot open log `{}`: {error}", path.display())),
        }
    }

    pub(super) fn mainclear(&mut self, client: ClientId) {
        let Some(path) = self.outputs.voice.path() else { return self.refuse(client, Code::NoFile, "") };
        if !path.exists() {
            let text = path.display().to_string();
            return self.refuse(client, Code::NoFile, &text);
        }
        match self.outputs.voice.clear() {
            Ok(()) => self.done(client),
            Err(text) => self.refuse(client, Code::Failed, &text),
        }
    }

    pub(super) fn clear(&mut self, client: ClientId, names: &[String]) {
        let mut failure = None;
        self.each(client, names, &mut failure, &mut |daemon, id| match daemon.outputs.clear(id) {
            Ok(()) => Ok(Some(("result", "cleared".to_string()))),
            Err(text) => Err((Code::Failed, text)),
        });
        self.end(client, failure);
    }
}
