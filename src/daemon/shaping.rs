//! The shapers of all streams: who speaks, what came out, what is due, what waits for a console; and what no file has.

use std::os::fd::RawFd;
use std::path::PathBuf;

use super::Poll;
use super::outputs::{Key, Outlet, Outputs, Sink, keep, ring_bytes};
use super::shaper::Shaper;
use crate::config::Process;
use crate::list::List as _;
use crate::logs::{Ring, Speaker};
use crate::program::Now;
use crate::protocol::Stream;
use crate::supervisor::ProcessId;

impl Outputs {
    /// From now on the streams of a process are those of this pid; 0 = of none.
    pub fn introduce(&mut self, id: ProcessId, process: &Process, group: &str, pid: i32) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            let shaper = self.outlets.get_mut(&(id, stream)).and_then(|outlet| outlet.shaper.as_mut());
            if let Some(shaper) = shaper {
                let speaker = Speaker { name: &process.name, group, stream: stream.word(), pid };
                shaper.introduce(&process.log_lines.format, speaker);
            }
        }
    }

    /// A process goes on with other settings than `before`; who speaks is still to be told.
    pub fn retune(&mut self, id: ProcessId, process: &Process, before: &Process, now: Now, poll: &mut Poll) {
        let channels = [(Stream::Stdout, &process.stdout), (Stream::Stderr, &process.stderr)];
        for (stream, channel) in channels {
            let Some(outlet) = self.outlets.get_mut(&(id, stream)) else { continue };
            outlet.is_event = channel.events_enabled;
            let kept_anew = std::mem::replace(&mut outlet.upkeep, channel.upkeep) != channel.upkeep;
            match &mut outlet.sink {
                Sink::Closed { maxbytes, backups, .. } => (*maxbytes, *backups) = (channel.maxbytes, channel.backups),
                Sink::File(file) => {
                    file.resize(channel.maxbytes, channel.backups);
                    if kept_anew {
                        keep(file, channel.upkeep);
                    }
                }
                Sink::None | Sink::Console(_) => {}
            }
            if process.log_lines != before.log_lines {
                outlet.ring.resize(ring_bytes(process));
                self.reshape((id, stream), Shaper::new(&process.log_lines), now, poll);
            }
        }
    }

    /// Another shaper, or none any more: nothing of what the old one has is lost.
    fn reshape(&mut self, key: Key, shaper: Option<Shaper>, now: Now, poll: &mut Poll) {
        if shaper.is_none() {
            self.shape(key, now, poll, &mut |shaper| shaper.finish(now));
        }
        let Some(outlet) = self.outlets.get_mut(&key) else { return };
        match (&mut outlet.shaper, shaper) {
            (Some(old), Some(new)) => old.adopt(new),
            (None, new) => outlet.shaper = new.map(Box::new),
            (Some(old), None) => {
                outlet.dropped = outlet.dropped.saturating_add(old.lost);
                let held = old.release(now);
                outlet.shaper = None;
                if let Sink::Console(fd) = outlet.sink {
                    self.consoles.write(fd, &held, poll);
                }
            }
        }
    }

    /// Has a shaper do something and brings what comes of it to where it is kept. False without a shaper.
    pub(super) fn shape(&mut self, key: Key, now: Now, poll: &mut Poll, act: &mut dyn FnMut(&mut Shaper)) -> bool {
        let Some(shaper) = self.outlets.get_mut(&key).and_then(|outlet| outlet.shaper.as_mut()) else { return false };
        let from = shaper.out.len();
        act(shaper);
        let out = std::mem::take(&mut shaper.out);
        self.due = [self.due, shaper.tell_at].into_iter().flatten().min();
        self.bring(key, out.get(from..).unwrap_or_default(), now, poll);
        if let Some(shaper) = self.outlets.get_mut(&key).and_then(|outlet| outlet.shaper.as_mut()) {
            shaper.out = out;
        }
        true
    }

    /// Brings out the lines that have no end yet.
    pub fn finish(&mut self, now: Now, poll: &mut Poll) {
        for key in self.outlets.keys().copied().list() {
            self.shape(key, now, poll, &mut |shaper| shaper.finish(now));
        }
    }

    /// What came out of a stream by the last call, as it stands in its log; `None` = what was put in.
    pub fn shown(&self, id: ProcessId, stream: Stream) -> Option<&[u8]> {
        Some(self.outlets.get(&(id, stream))?.shaper.as_ref()?.out.as_slice())
    }

    /// Tells what was dropped where that is due; answers whose streams it were.
    pub fn tell_dropped(&mut self, now: Now, poll: &mut Poll) -> Vec<Key> {
        if self.due.is_none_or(|at| at > now.mono) {
            return Vec::new();
        }
        self.due = None;
        let shaped =
            self.outlets.iter().filter(|(_, outlet)| outlet.shaper.as_ref().is_some_and(|it| it.tell_at.is_some()));
        let keys: Vec<Key> = shaped.map(|(key, _)| *key).list();
        for key in &keys {
            if let Some(shaper) = self.outlets.get_mut(key).and_then(|outlet| outlet.shaper.as_mut()) {
                shaper.begin();
            }
            self.shape(*key, now, poll, &mut |shaper| shaper.tell(now));
        }
        keys
    }

    /// There is room in a console: what waits for it is written until it is full again. Who had its turn is the last next time.
    pub fn release(&mut self, fd: RawFd, now: Now, poll: &mut Poll) {
        let waits = |outlet: &Outlet| {
            matches!(outlet.sink, Sink::Console(other) if other == fd)
                && outlet.shaper.as_ref().is_some_and(|it| it.waits())
        };
        let mut waiting: Vec<Key> = self.outlets.iter().filter(|(_, outlet)| waits(outlet)).map(|(key, _)| *key).list();
        let had_turn = waiting.iter().take_while(|key| Some(**key) <= self.served).count();
        waiting.rotate_left(had_turn);
        for key in &waiting {
            if self.consoles.is_full(fd) {
                return;
            }
            let Some(shaper) = self.outlets.get_mut(key).and_then(|outlet| outlet.shaper.as_mut()) else { continue };
            let lines = shaper.release(now);
            self.served = Some(*key);
            self.consoles.write(fd, &lines, poll);
        }
    }

    /// What is in memory of a stream, when no file has it.
    pub fn ring(&self, id: ProcessId, stream: Stream) -> Option<&Ring> {
        let outlet = self.outlets.get(&(id, stream))?;
        let elsewhere = match &outlet.sink {
            Sink::File(file) => file.is_readable() || outlet.ring.is_empty(),
            // What its file says, why it cannot be opened, is more than nothing.
            Sink::Closed { .. } => outlet.ring.is_empty(),
            Sink::None | Sink::Console(_) => false,
        };
        Some(&outlet.ring).filter(|ring| !elsewhere && ring.keeps())
    }

    /// The log of a stream and the number of its newest backup that is to be compressed, if there is one.
    pub fn packable(&self, key: Key) -> Option<(PathBuf, u64, u64)> {
        match &self.outlets.get(&key)?.sink {
            Sink::File(file) => Some((file.path().to_owned(), file.packable()?, file.backups())),
            Sink::None | Sink::Closed { .. } | Sink::Console(_) => None,
        }
    }
}
