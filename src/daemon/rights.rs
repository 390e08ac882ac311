//! Who may ask what, and what the log says of it.
//!
//! The kernel tells who is at the other end of a connection; the configuration that holds now tells what that one may. Both are looked at
//! for each request, and again for what is still being sent when the configuration changes: a right that is taken away is gone at once.

use std::cell::OnceCell;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::Daemon;
use super::client::Mode;
use crate::config::{LogLevel, Person};
use crate::list::List as _;
use crate::program::Now;
use crate::protocol::handover::Rights;
use crate::protocol::{Code, Request, Right};
use crate::supervisor::{ClientId, ProcessId, Target};
use crate::sys::socket::{self, Peer};
use crate::sys::users;

/// Refusals told in a row, and in how long: whoever is refused may come again and again.
const REFUSALS: u32 = 10;
const REFUSALS_PAUSE: Duration = Duration::from_secs(10);
const ROOT: u32 = 0;
/// What who may only see some programs watches of them.
const OF_PROCESSES: [&str; 3] = ["PROCESS_STATE", "PROCESS_HEALTH", "PROCESS_GROUP"];

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asker {
    /// The gateway of this pid, for somebody whom it gave these rights.
    Gateway(i32, Rights),
    /// Somebody of this machine.
    Peer(Peer),
}

/// What somebody may.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reach {
    /// With all of visor.
    Whole(Right),
    /// With those programs that name them, as one who may operate.
    Some,
    Nothing,
}

/// How often refusals were told lately.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    since: Option<Duration>,
    told: u32,
    left_out: u64,
}

impl Refusals {
    /// Whether one more is told, and how many before it were not.
    fn next(&mut self, now: Duration) -> Option<u64> {
        if self.since.is_none_or(|since| now.saturating_sub(since) >= REFUSALS_PAUSE) {
            (self.since, self.told) = (Some(now), 0);
        }
        if self.told >= REFUSALS {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.told = self.told.saturating_add(1);
        Some(std::mem::take(&mut self.left_out))
    }
}

/// Somebody of this machine, with the groups when they are asked for.
struct Caller<'a> {
    peer: Peer,
    connection: &'a OwnedFd,
    groups: OnceCell<Vec<u32>>,
}

impl<'a> Caller<'a> {
    fn new(peer: Peer, connection: &'a OwnedFd) -> Caller<'a> {
        Caller { peer, connection, groups: OnceCell::new() }
    }

    fn is(&self, person: &Person) -> bool {
        match person {
            Person::User { uid, .. } => *uid == self.peer.uid,
            Person::Group { gid, .. } => {
                *gid == self.peer.gid || self.groups.get_or_init(|| socket::peer_groups(self.connection)).contains(gid)
            }
        }
    }

    fn is_of(&self, people: &[Person]) -> bool {
        people.iter().any(|person| self.is(person))
    }
}

/// Whether somebody may do everything whatever the configuration says.
pub(super) fn is_trusted(peer: Peer) -> bool {
    peer.uid == ROOT || peer.uid == users::effective_uid()
}

impl Daemon {
    /// Whether somebody may do anything here at all.
    pub(super) fn may_enter(&self, peer: Peer, connection: &OwnedFd) -> bool {
        self.reach(&Caller::new(peer, connection)) != Reach::Nothing
    }

    fn reach(&self, caller: &Caller) -> Reach {
        let access = &self.settings.visor.access;
        let lists =
            [(Right::Admin, &access.admin), (Right::Operate, &access.operate), (Right::Observe, &access.observe)];
        if is_trusted(caller.peer) {
            return Reach::Whole(Right::Admin);
        }
        if let Some((right, _)) = lists.into_iter().find(|(_, people)| caller.is_of(people)) {
            // Who may look at all, and operate some, is both: `owns` is asked besides.
            return Reach::Whole(right);
        }
        if self.supervisor.entries().any(|(_, entry)| caller.is_of(&entry.config.operate)) {
            return Reach::Some;
        }
        Reach::Nothing
    }

    /// Whether a request is about nothing but processes that this one may operate.
    fn owns(&self, caller: &Caller, request: &Request) -> bool {
        let names_them =
            |id: &ProcessId| self.supervisor.entry(*id).is_some_and(|entry| caller.is_of(&entry.config.operate));
        let starts = matches!(request, Request::Start { .. } | Request::Restart(_));
        let is_theirs =
            |id: &ProcessId| names_them(id) && (!starts || self.supervisor.down_needs(*id).iter().all(names_them));
        request.needs() <= Right::Operate
            && request.names().is_some_and(|names| {
                self.supervisor.resolve(names).iter().all(|target| match target {
                    Target::Process(id) => is_theirs(id),
                    Target::Several(ids) => ids.iter().all(is_theirs),
                    // Whether there is such a thing is not theirs to know.
                    Target::NoProcess(_) | Target::NoGroup(_) => false,
                })
            })
    }

    /// Lets a request pass, and says so in the log when it changes something.
    ///
    /// # Errors
    /// What who asked is told.
    pub(super) fn judge(&mut self, id: ClientId, request: Request, now: Now) -> Result<Request, String> {
        let needed = request.needs();
        let behalf = self.clients.all.get_mut(&id).and_then(|client| client.behalf.take());
        let Some(client) = self.clients.all.get(&id) else { return Ok(request) };
        let (request, verdict) = match client.asker {
            Asker::Gateway(_, Rights::All) => (request, Ok(())),
            Asker::Gateway(_, Rights::Observe) if needed == Right::Observe => (request, Ok(())),
            Asker::Gateway(_, Rights::Observe) => {
                let text = format!("who may only look may not `{}`", request.verb());
                (request, Err(text))
            }
            Asker::Peer(peer) => self.judge_peer(&Caller::new(peer, &client.fd), request),
        };
        let who = self.name_of(client.asker) + &behalf.map(|who| format!(" for {who}")).unwrap_or_default();
        match &verdict {
            Ok(()) if needed > Right::Observe => {
                self.log(LogLevel::Info, &format!("{} by {who}: {}", needed.word(), request.shown()));
            }
            Ok(()) => {}
            Err(_) => {
                let text = format!("refused to {who}, for want of `{}`: {}", needed.word(), request.shown());
                self.tell_refusal(&text, now);
            }
        }
        verdict.map(|()| request)
    }

    fn judge_peer(&self, caller: &Caller, request: Request) -> (Request, Result<(), String>) {
        let needed = request.needs();
        let reach = self.reach(caller);
        let request = match request {
            // Who may only see some sees those.
            Request::Status(names) if reach == Reach::Some && names.is_empty() => Request::Status(self.theirs(caller)),
            Request::Watch { kinds, names } if reach == Reach::Some && kinds.is_empty() => {
                Request::Watch { kinds: OF_PROCESSES.map(str::to_owned).to_vec(), names }
            }
            request => request,
        };
        let may = match reach {
            Reach::Whole(right) if right >= needed => true,
            Reach::Whole(_) | Reach::Some => request.is_for_everybody() || self.owns(caller, &request),
            Reach::Nothing => false,
        };
        if may {
            return (request, Ok(()));
        }
        let has = match reach {
            Reach::Whole(right) => format!("has `{}`", right.word()),
            Reach::Some => "has it for some programs only".to_owned(),
            Reach::Nothing => "has no right any more".to_owned(),
        };
        let text = format!("`{}` needs the right `{}`: uid {} {has}", request.verb(), needed.word(), caller.peer.uid);
        (request, Err(text))
    }

    /// Ends what is sent to those who may not have it any more: rights are others now, or what names mean.
    pub(super) fn judge_streams(&mut self) {
        for (id, request) in self.streams() {
            let Some(client) = self.clients.all.get(&id) else { continue };
            let Asker::Peer(peer) = client.asker else { continue };
            if is_trusted(peer) {
                continue;
            }
            if let (_, Err(text)) = self.judge_peer(&Caller::new(peer, &client.fd), request) {
                self.clients.leave_streams(id);
                self.refuse(id, Code::NotPermitted, &text);
            }
        }
    }

    /// Who is sent what happens, and what each asked for.
    fn streams(&self) -> Vec<(ClientId, Request)> {
        let clients = &self.clients;
        let mut all = Vec::new();
        for id in &clients.watchers {
            if let Some(Mode::Watching { kinds, names, .. }) = clients.all.get(id).map(|client| &client.mode) {
                all.push((*id, Request::Watch { kinds: kinds.clone(), names: names.clone() }));
            }
        }
        for id in &clients.main_followers {
            all.push((*id, Request::Maintail { follow: true, bytes: 0 }));
        }
        for ((process, stream), ids) in clients.followers.iter() {
            let Some(entry) = self.supervisor.entry(*process) else { continue };
            let name = entry.display_name();
            for id in ids {
                all.push((*id, Request::Follow { name: name.clone(), stream: *stream, bytes: 0 }));
            }
        }
        all
    }

    /// The names of processes that this one may operate.
    fn theirs(&self, caller: &Caller) -> Vec<String> {
        let mut names: Vec<String> = self
            .supervisor
            .entries()
            .filter(|(_, entry)| caller.is_of(&entry.config.operate))
            .map(|(_, entry)| format!("{}:{}", entry.group, entry.config.name))
            .list();
        crate::order::sort(&mut names);
        names
    }

    /// As the log calls them: by name, if the configuration has one.
    fn name_of(&self, asker: Asker) -> String {
        match asker {
            Asker::Gateway(pid, _) => format!("visor-http (pid {pid})"),
            Asker::Peer(Peer { pid, uid, .. }) => match self.user_name(uid) {
                Some(name) => format!("{name} (uid {uid}, pid {pid})"),
                None => format!("uid {uid} (pid {pid})"),
            },
        }
    }

    fn user_name(&self, wanted: u32) -> Option<String> {
        let access = &self.settings.visor.access;
        let lists = [&access.admin, &access.operate, &access.observe];
        let of_programs = self.supervisor.entries().flat_map(|(_, entry)| &entry.config.operate);
        let mut everybody = lists.into_iter().flatten().chain(of_programs);
        everybody
            .find_map(|person| match person {
                // One that is written as a number says nothing more.
                Person::User { name, uid } if *uid == wanted && name.parse::<u32>().is_err() => Some(name.clone()),
                Person::User { .. } | Person::Group { .. } => None,
            })
            .or_else(|| (wanted == ROOT).then(|| "root".to_owned()))
    }

    /// A refusal in the log, unless there were many of late.
    pub(super) fn tell_refusal(&mut self, text: &str, now: Now) {
        match self.refusals.next(now.mono) {
            Some(0) => self.log(LogLevel::Warn, text),
            Some(left_out) => self.log(LogLevel::Warn, &format!("{text} ({left_out} refusals before were not told)")),
            None => {}
        }
    }

    /// Answers a request line, or has it answered, if that one may ask it.
    pub(super) fn hear(&mut self, client: ClientId, request: Request, now: Now) {
        match self.judge(client, request, now) {
            Ok(request) => self.take(client, request, now),
            Err(text) => self.refuse(client, Code::NotPermitted, &text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_ten_at_a_time_and_those_left_out_are_counted() {
        let mut refusals = Refusals::default();
        let at = Duration::from_secs;
        let told = |refusals: &mut Refusals, now| (0..1000).filter(|_| refusals.next(now).is_some()).count();
        assert_eq!(told(&mut refusals, at(100)), 10);
        assert_eq!(told(&mut refusals, at(109)), 0);
        assert_eq!(refusals.next(at(110)), Some(1990));
        assert_eq!(refusals.next(at(110)), Some(0));
    }

    #[test]
    fn somebody_is_who_has_the_number_or_the_group() {
        let (fd, _) = crate::sys::fds::pipe().unwrap();
        let caller = Caller::new(Peer { pid: 1, uid: 10, gid: 20 }, &fd);
        let user = |uid| Person::User { name: "u".to_owned(), uid };
        let group = |gid| Person::Group { name: "g".to_owned(), gid };
        assert!(caller.is(&user(10)) && caller.is(&group(20)));
        // No socket: the kernel tells no other groups.
        assert!(!caller.is(&user(20)) && !caller.is(&group(10)));
        assert!(caller.is_of(&[user(1), group(20)]) && !caller.is_of(&[]));
    }
}
