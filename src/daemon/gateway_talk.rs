//! What visor and its gateway say to each other over their channel, and who gets which connection.
//!
//! Nothing here waits: a packet for which there is no room is not sent, and one who does not read for long is not waited for.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use super::doorstep::http_answer;
use super::{Daemon, Token};
use crate::config::LogLevel;
use crate::list::List as _;
use crate::program::Now;
use crate::protocol::handover::{FromGateway, Rights, ToGateway};
use crate::sys::channel;
use crate::sys::fds::{self, Read, Written};
use crate::sys::poll::Interest;

/// Control connections of the gateway at once.
const MAX_CONTROLS: usize = 256;
/// Packets from the gateway heard in one turn.
const PACKETS_PER_TURN: usize = 16;
/// Longest packet it has any reason to send, in bytes; a longer one is cut, and then means nothing.
const PACKET_BYTES: usize = 256;
/// Control connections asked for within a second beyond which it is no gateway any more.
const MAX_ASKED_PER_SECOND: u32 = 1000;
/// How long the gateway may leave everything unread that it is sent.
const READ_PATIENCE: Duration = Duration::from_secs(5);

/// The channel to the gateway that serves.
#[derive(Debug)]
pub(super) struct Link {
    pub pid: i32,
    channel: OwnedFd,
    /// An answer for which there was no room: nothing more is heard before it is sent.
    owed: Option<(Vec<u8>, Option<OwnedFd>)>,
    /// While something is unread: how much when looked at last, and when it is to be less.
    unread: Option<(usize, Duration)>,
    /// In which second it asked for connections last, and how often.
    asked: (u64, u32),
}

/// Why somebody who speaks HTTP is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unable {
    NotInstalled,
    /// For so long.
    Resting(Duration),
    /// It has more to do than it can.
    Busy,
}

impl Unable {
    fn answer(self) -> Vec<u8> {
        let later = |wait: Duration| {
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1);
            let text = format!("visor-http cannot serve now: try again in {seconds} s, or use svc");
            http_answer("503 Service Unavailable", &format!("Retry-After: {seconds}\r\n"), &text)
        };
        match self {
            Unable::NotInstalled => {
                http_answer("501 Not Implemented", "", "visor-http is not installed: use svc, or install visor-http")
            }
            Unable::Resting(wait) => later(wait),
            Unable::Busy => later(Duration::from_secs(1)),
        }
    }
}

impl Link {
    pub fn new(pid: i32, channel: OwnedFd) -> Link {
        Link { pid, channel, owed: None, unread: None, asked: (0, 0) }
    }

    /// When it is to be looked at whether the gateway reads.
    pub fn deadline(&self) -> Option<Duration> {
        self.unread.map(|(_, at)| at)
    }

    /// Sends a packet, if there is room.
    fn send(&mut self, packet: &[u8], beside: Option<&OwnedFd>, now: Now) -> std::io::Result<Written> {
        let before = channel::unread(&self.channel);
        let sent = channel::send(&self.channel, packet, beside.map(AsFd::as_fd));
        let reads = self.unread.is_none_or(|(amount, _)| before < amount);
        self.look(reads, now);
        sent
    }

    fn look(&mut self, reads: bool, now: Now) {
        let amount = channel::unread(&self.channel);
        let later = now.mono.saturating_add(READ_PATIENCE);
        let at = self.deadline().filter(|_| !reads).unwrap_or(later);
        self.unread = (amount > 0).then_some((amount, at));
    }

    /// Whether it has read nothing for too long.
    pub fn is_stuck(&mut self, now: Now) -> bool {
        let Some((before, _)) = self.unread.filter(|(_, at)| *at <= now.mono) else { return false };
        let amount = channel::unread(&self.channel);
        if amount > 0 && amount >= before {
            return true;
        }
        self.look(true, now);
        false
    }

    /// Whether it asks for more than anybody could need.
    fn asks_too_often(&mut self, now: Now) -> bool {
        let second = now.mono.as_secs();
        if self.asked.0 != second {
            self.asked = (second, 0);
        }
        self.asked.1 = self.asked.1.saturating_add(1);
        self.asked.1 > MAX_ASKED_PER_SECOND
    }
}

impl Daemon {
    /// Passes an HTTP connection on, of which nothing has been read. `peer` = who it is, for logs and delays.
    pub(super) fn hand_over(&mut self, fd: OwnedFd, door: usize, peer: String, now: Now) {
        let outcome = self.wake_gateway(now).and_then(|()| {
            let packet = ToGateway::Connection { server: door, peer }.to_packet();
            let link = self.gateway.link.as_mut().ok_or(Unable::Busy)?;
            match link.send(&packet, Some(&fd), now) {
                Ok(Written::Bytes(_)) => Ok(()),
                Ok(Written::WouldBlock) | Err(_) => Err(Unable::Busy),
                Ok(Written::Gone) => {
                    self.lose_gateway(now);
                    Err(Unable::Busy)
                }
            }
        });
        if let Err(unable) = outcome {
            self.clients.turn_away(fd, unable.answer(), &mut self.poll);
        }
    }

    /// What a gateway must know before anybody comes.
    pub(super) fn briefing(&self) -> Vec<ToGateway> {
        let settings = ToGateway::Settings {
            identifier: self.settings.daemon.identifier.clone(),
            allowed_hosts: self.settings.visor.allowed_hosts.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        self.doors.told().map(ToGateway::Server).chain([settings]).list()
    }

    pub(super) fn brief_gateway(&mut self, now: Now) {
        for message in self.briefing() {
            let Some(link) = &mut self.gateway.link else { return };
            match link.send(&message.to_packet(), None, now) {
                Ok(Written::Bytes(_)) => {}
                Ok(Written::WouldBlock | Written::Gone) | Err(_) => {
                    return self.kill_gateway("it cannot be told what is configured", now);
                }
            }
        }
    }

    /// What the gateway says.
    pub(super) fn hear_gateway(&mut self, now: Now) {
        for _ in 0..PACKETS_PER_TURN {
            if !self.pay_gateway(now) {
                return;
            }
            let Some(link) = &mut self.gateway.link else { return };
            let mut packet = [0; PACKET_BYTES];
            let message = match fds::read(&link.channel, &mut packet) {
                Ok(Read::Bytes(count)) => FromGateway::of_packet(packet.get(..count).unwrap_or_default()),
                Ok(Read::WouldBlock) => return,
                Ok(Read::End) | Err(_) => return self.lose_gateway(now),
            };
            match message {
                None => return self.kill_gateway("what it says makes no sense", now),
                Some(FromGateway::Leaving) => return self.retire_gateway(now),
                Some(FromGateway::Control(_)) if link.asks_too_often(now) => {
                    return self.kill_gateway("it asks for control connections without end", now);
                }
                Some(FromGateway::Control(rights)) => self.give_control(rights),
            }
        }
        // The last one's answer: the gateway may have nothing more to say before it comes.
        self.pay_gateway(now);
    }

    fn give_control(&mut self, rights: Rights) {
        let Some(pid) = self.gateway.link.as_ref().map(|link| link.pid) else { return };
        let refused = |text: String| (ToGateway::Refused { text }.to_packet(), None);
        let answer = if self.clients.of_gateway.len() >= MAX_CONTROLS {
            refused(format!("{MAX_CONTROLS} control connections are open"))
        } else {
            match channel::streams() {
                Ok((ours, theirs)) => {
                    self.clients.add_of_gateway(pid, ours, rights, &mut self.poll);
                    (ToGateway::Control.to_packet(), Some(theirs))
                }
                Err(error) => refused(format!("no control connection can be made: {error}")),
            }
        };
        if let Some(link) = &mut self.gateway.link {
            link.owed = Some(answer);
        }
    }

    /// Sends the answer that is owed; whether none is any more.
    fn pay_gateway(&mut self, now: Now) -> bool {
        let Some(link) = &mut self.gateway.link else { return false };
        let Some((packet, beside)) = link.owed.take() else { return true };
        match link.send(&packet, beside.as_ref(), now) {
            Ok(Written::Bytes(_)) => {
                self.poll.set(Token::Gateway, link.channel.as_raw_fd(), Interest::READ);
                true
            }
            Ok(Written::WouldBlock) => {
                link.owed = Some((packet, beside));
                self.poll.set(Token::Gateway, link.channel.as_raw_fd(), Interest::WRITE);
                false
            }
            Ok(Written::Gone) => {
                self.lose_gateway(now);
                false
            }
            Err(error) => {
                self.log(LogLevel::Debug, &format!("cannot answer visor-http: {error}"));
                self.kill_gateway("it cannot be answered", now);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Now {
        Now { mono: Duration::from_millis(millis), wall: Duration::ZERO }
    }

    #[test]
    fn gateway_that_reads_in_time_is_not_stuck_and_one_that_does_not_is() {
        let (ours, theirs) = channel::packets().unwrap();
        let mut link = Link::new(7, ours);
        assert_eq!(link.deadline(), None);
        link.send(b"one", None, at(1000)).unwrap();
        link.send(b"two", None, at(3000)).unwrap();
        assert_eq!(link.deadline(), Some(at(6000).mono), "the first one counts");
        assert!(!link.is_stuck(at(5999)));
        let mut packet = [0; 8];
        assert_eq!(fds::read(&theirs, &mut packet).unwrap(), Read::Bytes(3));
        assert!(!link.is_stuck(at(6000)), "it has read something");
        assert_eq!(link.deadline(), Some(at(11_000).mono));
        assert!(link.is_stuck(at(11_000)));
    }

    #[test]
    fn channel_that_is_read_empty_is_looked_at_no_more() {
        let (ours, theirs) = channel::packets().unwrap();
        let mut link = Link::new(7, ours);
        link.send(b"one", None, at(1000)).unwrap();
        assert_eq!(fds::read(&theirs, &mut [0; 8]).unwrap(), Read::Bytes(3));
        assert!(!link.is_stuck(at(6000)));
        assert_eq!(link.deadline(), None);
    }

    #[test]
    fn thousand_questions_a_second_are_enough() {
        let (ours, _theirs) = channel::packets().unwrap();
        let mut link = Link::new(7, ours);
        let asked = |link: &mut Link, now: Now| (0..MAX_ASKED_PER_SECOND).all(|_| !link.asks_too_often(now));
        assert!(asked(&mut link, at(1000)));
        assert!(link.asks_too_often(at(1999)));
        assert!(asked(&mut link, at(2000)));
    }

    #[test]
    fn whom_nobody_serves_is_told_when_to_come_back() {
        let text = |unable: Unable| String::from_utf8(unable.answer()).unwrap();
        assert!(text(Unable::Resting(Duration::from_millis(1001))).contains("\r\nRetry-After: 2\r\n"));
        assert!(text(Unable::Resting(Duration::ZERO)).contains("\r\nRetry-After: 1\r\n"));
        for unable in [Unable::NotInstalled, Unable::Busy, Unable::Resting(Duration::from_secs(60))] {
            let answer = text(unable);
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{answer}");
        }
    }
}
