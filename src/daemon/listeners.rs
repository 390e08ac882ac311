//! The doors: sockets that visor listens on. Bound at the start, bound anew when a file of theirs has vanished, and made as configured by
//! a reload.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::foreground::Refusal;
use super::{Daemon, Token, clock};
use crate::cli::ExitCode;
use crate::config::{Config, LogLevel, Owner, Server, ServerAddress};
use crate::list::List as _;
use crate::protocol::handover::{self, Login};
use crate::sorted::Map;
use crate::sys::failure::failure;
use crate::sys::poll::Interest;
use crate::sys::socket::{BindError, Listener};
use crate::sys::{host, process, users};

/// Mode of the control socket unless the configuration says otherwise.
const SOCKET_MODE: u32 = 0o700;
/// The same when it names somebody: the kernel tells who comes, and only they are let in.
const OPEN_SOCKET_MODE: u32 = 0o666;
/// Where the control socket is for root.
const ROOT_SOCKET: &str = "/run/visor.sock";
/// Its name in `$XDG_RUNTIME_DIR` for everybody else.
const USER_SOCKET: &str = "visor.sock";
/// The original's words for who finds its place taken.
const TAKEN: &str = "Another program is already listening on a port that one of our HTTP servers is configured to use.  \
                     Shut this program down first before starting supervisord.";

/// Where to listen.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    File { path: PathBuf, mode: u32, owner: Owner },
    Port { host: String, port: u16 },
}

/// A door as configured.
#[derive(Debug, Clone, PartialEq)]
struct Wanted {
    place: Place,
    /// The section of a server, which has its own logins; `None` = visor's own socket.
    server: Option<Server>,
}

/// A door that is open.
#[derive(Debug)]
struct Door {
    listener: Listener,
    wanted: Wanted,
}

/// All doors. Numbers are never used twice.
#[derive(Debug, Default)]
pub(super) struct Doors {
    all: Map<usize, Door>,
    next: usize,
    /// Where visor's own socket is, as it was at the start.
    control: Option<Place>,
}

impl Place {
    fn file(path: &Path, mode: u32, owner: Owner) -> Place {
        Place::File { path: process::absolute(path).unwrap_or_else(|_| path.to_path_buf()), mode, owner }
    }

    fn control(config: &Config) -> Option<Place> {
        let visor = &config.visor;
        let path = visor.socket.as_ref().map(PathBuf::from).or_else(default_socket)?;
        let usual = if config.names_somebody() { OPEN_SOCKET_MODE } else { SOCKET_MODE };
        Some(Place::file(&path, visor.socket_mode.unwrap_or(usual), visor.socket_owner))
    }

    fn of(address: &ServerAddress) -> Place {
        match address {
            ServerAddress::Unix { file, chmod, chown } => Place::file(Path::new(file), *chmod, *chown),
            ServerAddress::Inet { host, port } => Place::Port { host: host.clone(), port: *port },
        }
    }

    /// Whether only one of both can be had.
    fn is_same_as(&self, other: &Place) -> bool {
        match (self, other) {
            (Place::File { path, .. }, Place::File { path: other, .. }) => path == other,
            (Place::Port { .. }, Place::Port { .. }) => self == other,
            (Place::File { .. }, Place::Port { .. }) | (Place::Port { .. }, Place::File { .. }) => false,
        }
    }

    fn bind(&self) -> Result<Listener, BindError> {
        match self {
            Place::File { path, mode, owner } => Listener::bind(path, *mode, (owner.uid, owner.gid)),
            Place::Port { host, port } => Listener::bind_port(SocketAddr::new(number(host)?, *port)),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::File { path, .. } => write!(f, "{}", path.display()),
            Place::Port { host, port } if host.is_empty() => write!(f, "*:{port}"),
            Place::Port { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

/// The address of a host; without one it is every address of the old kind, as with the original.
fn number(host: &str) -> Result<std::net::IpAddr, BindError> {
    if host.is_empty() {
        return Ok(std::net::Ipv4Addr::UNSPECIFIED.into());
    }
    let unknown = || failure(std::io::ErrorKind::NotFound, "no such host (name servers are not asked)");
    host::address_of(host).ok_or_else(|| BindError::Io(unknown()))
}

/// visor's own socket and those of servers, each place once; the former is first if there is one.
fn wanted(control: Option<&Place>, servers: &[Server]) -> Vec<Wanted> {
    let mut all: Vec<Wanted> = control.into_iter().map(|place| Wanted { place: place.clone(), server: None }).list();
    for server in servers {
        let place = Place::of(&server.address);
        match all.iter_mut().find(|other| other.place.is_same_as(&place)) {
            // Who comes to a place with a login needs it, whoever else is served there.
            Some(same) => {
                same.server.get_or_insert_with(|| server.clone());
            }
            None => all.push(Wanted { place, server: Some(server.clone()) }),
        }
    }
    all
}

impl Doors {
    /// Binds them. What cannot be had is a note; only where somebody else answers there we leave, unless we are the init of a machine.
    ///
    /// # Errors
    /// The message and the code to leave with.
    pub fn open(config: &Config, machine: bool, notes: &mut Vec<String>) -> Result<Doors, Refusal> {
        let default = if config.visor.socket.is_none() { default_socket() } else { None };
        if config.visor.socket.is_none() && default.is_none() {
            notes.push("no control socket: neither `[visor] socket` nor XDG_RUNTIME_DIR is set".to_string());
        }
        let mut doors = Doors { control: Place::control(config), ..Doors::default() };
        let wanted = wanted(doors.control.as_ref(), &config.servers);
        let several = wanted.len() > 1;
        for one in wanted {
            let is_default = matches!(&one.place, Place::File { path, .. } if default.as_ref() == Some(path));
            match one.place.bind() {
                Ok(listener) => {
                    notes.extend(one.warning());
                    doors.add(listener, one);
                }
                // Two visors of one user are no mistake when each has a socket of its own besides.
                Err(BindError::InUse) if several && is_default => notes.push(format!(
                    "cannot listen on `{}`: another visor answers there; give this one a `[visor] socket`",
                    one.place
                )),
                Err(BindError::InUse) if !machine => {
                    return Err(match one.server {
                        None => (
                            format!("cannot listen on `{}`: another visor already answers there", one.place),
                            ExitCode::Failure.number(),
                        ),
                        Some(_) => (TAKEN.to_string(), ExitCode::Usage.number()),
                    });
                }
                Err(error) => notes.push(format!("cannot listen on `{}`: {error}", one.place)),
            }
        }
        Ok(doors)
    }

    fn add(&mut self, listener: Listener, wanted: Wanted) -> usize {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.all.insert(number, Door { listener, wanted });
        number
    }

    pub fn listener(&mut self, door: usize) -> Option<&mut Listener> {
        self.all.get_mut(&door).map(|door| &mut door.listener)
    }

    /// Whether it belongs to a server's section, not to visor alone.
    pub fn is_of_a_server(&self, door: usize) -> bool {
        self.all.get(&door).is_some_and(|door| door.wanted.server.is_some())
    }

    /// All that are open, with their descriptors.
    pub fn descriptors(&self) -> impl Iterator<Item = (usize, std::os::fd::RawFd)> {
        self.all.iter().map(|(number, door)| (*number, door.listener.fd()))
    }

    /// As the gateway is told of them.
    pub fn told(&self) -> impl Iterator<Item = handover::Door> {
        self.all.iter().map(|(number, door)| {
            let kind = match (&door.wanted.place, &door.wanted.server) {
                (_, None) => "control",
                (Place::File { .. }, Some(_)) => "unix",
                (Place::Port { .. }, Some(_)) => "inet",
            };
            let login = |pick: fn(&Server) -> (&Option<String>, &Option<String>)| {
                let (username, password) = pick(door.wanted.server.as_ref()?);
                // As with the original, an empty name is no login.
                let username = username.clone().filter(|name| !name.is_empty())?;
                Some(Login { username, password: password.clone().unwrap_or_default() })
            };
            handover::Door {
                server: *number,
                kind: kind.to_owned(),
                address: door.wanted.place.to_string(),
                login: login(|server| (&server.username, &server.password)),
                readonly: login(|server| (&server.readonly_username, &server.readonly_password)),
            }
        })
    }
}

impl Wanted {
    /// What is dangerous about it.
    fn warning(&self) -> Option<String> {
        let server = self.server.as_ref()?;
        let open =
            matches!(self.place, Place::Port { .. }) && server.username.as_deref().unwrap_or_default().is_empty();
        open.then(|| format!("Server '{}' running without any HTTP authentication checking", server.section))
    }
}

/// Where the control socket is when nothing is said.
#[must_use]
pub fn default_socket() -> Option<PathBuf> {
    if users::effective_uid() == 0 {
        return Some(PathBuf::from(ROOT_SOCKET));
    }
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|directory| !directory.is_empty())?;
    Some(Path::new(&runtime).join(USER_SOCKET))
}

impl Daemon {
    /// Binds those anew whose file was removed, by a cleaner of temporary files for instance: nobody could reach us any
    /// more, and a second visor could start beside us.
    pub(super) fn restore_listeners(&mut self) {
        let gone: Vec<usize> =
            self.doors.all.iter().filter(|(_, door)| !door.listener.is_in_place()).map(|(number, _)| *number).list();
        for number in gone {
            // Who connected while it was still there is not to be turned away.
            self.accept(number, clock::now());
            let Some(door) = self.doors.all.get_mut(&number) else { continue };
            let place = door.wanted.place.to_string();
            match door.wanted.place.bind() {
                Ok(fresh) => {
                    self.poll.set(Token::Listener(number), fresh.fd(), Interest::READ);
                    door.listener = fresh;
                    self.log(LogLevel::Info, &format!("listening on `{place}` again: it was gone"));
                }
                Err(error) => self.log(LogLevel::Warn, &format!("cannot listen on `{place}` again: {error}")),
            }
        }
    }

    /// Opens and closes doors so that they are as configured; the unchanged are left alone.
    pub(super) fn renew_doors(&mut self, config: &Config) {
        // visor's own stays where it is, but others may be let in now, or no more.
        if let Some((old, new)) = self.doors.control.as_mut().zip(Place::control(config))
            && old.is_same_as(&new)
        {
            *old = new;
        }
        let mut missing = wanted(self.doors.control.as_ref(), &config.servers);
        for number in self.doors.all.keys().copied().list() {
            let Some(door) = self.doors.all.get_mut(&number) else { continue };
            match missing.iter().position(|one| one.place == door.wanted.place) {
                Some(at) => door.wanted = missing.remove(at),
                None => self.close_door(number),
            }
        }
        for one in missing {
            let place = one.place.to_string();
            match one.place.bind() {
                Ok(listener) => {
                    self.log(LogLevel::Info, &format!("listening on `{place}`"));
                    if let Some(warning) = one.warning() {
                        self.log(LogLevel::Warn, &warning);
                    }
                    let fd = listener.fd();
                    let number = self.doors.add(listener, one);
                    self.poll.set(Token::Listener(number), fd, Interest::READ);
                }
                Err(error) => self.log(LogLevel::Warn, &format!("cannot listen on `{place}`: {error}")),
            }
        }
    }

    fn close_door(&mut self, number: usize) {
        self.accept(number, clock::now());
        self.poll.remove(Token::Listener(number));
        if let Some(door) = self.doors.all.remove(&number) {
            self.log(LogLevel::Info, &format!("no longer listening on `{}`", door.wanted.place));
        }
    }
}
