//! Another program: become it, or start it beside us with a socket between the two. What is said over the socket is not known here.

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn, posix_spawnp};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use super::call::{c_string, check};
use super::signals;
use crate::list::List as _;

/// The descriptor under which a program that [`start`] started finds its end of the socket.
pub const SOCKET: i32 = 3;

/// Signals that our start-up ignores, and a program expects to have their default action.
const OURS: [Signal; 2] = [Signal::SIGPIPE, Signal::SIGCHLD];

/// Becomes the program `name`, looked for on PATH, with the arguments after `argv[0]`.
///
/// # Errors
/// Why not; `NotFound` when there is none.
pub fn become_program(name: &str, arguments: &[OsString]) -> io::Result<Infallible> {
    let argv = c_strings(std::iter::once(OsStr::new(name)).chain(arguments.iter().map(OsString::as_os_str)))?;
    for signal in OURS {
        signals::set_action(signal as i32, libc::SIG_DFL, 0)?;
    }
    let path = c_string(name)?;
    Ok(nix::unistd::execvp(&path, &argv)?)
}

/// Starts the first of these programs that is there (a word without `/` is looked for on PATH) with one argument and an empty environment, and gives our
/// end of the socket whose other end is its descriptor [`SOCKET`]. It is in a process group of its own, so that Ctrl-C is ours to answer. Nobody
/// waits for it: whoever starts several ignores SIGCHLD.
///
/// # Errors
/// Why not; `NotFound` when there is none of them.
pub fn start(programs: &[&OsStr], argument: &str) -> io::Result<UnixStream> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut actions = PosixSpawnFileActions::init()?;
    actions.add_dup2(theirs.as_raw_fd(), SOCKET)?;
    for (descriptor, flags) in [(libc::STDIN_FILENO, OFlag::O_RDONLY), (libc::STDOUT_FILENO, OFlag::O_WRONLY)] {
        actions.add_open(descriptor, "/dev/null", flags, Mode::empty())?;
    }
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETPGROUP | PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
    attributes.set_pgroup(Pid::from_raw(0))?;
    attributes.set_sigdefault(&SigSet::from_iter(OURS))?;
    let mut outcome = Err(Errno::ENOENT);
    for program in programs {
        let argv = c_strings([program, OsStr::new(argument)].into_iter())?;
        let path = c_string(program.as_bytes())?;
        outcome = posix_spawnp::<CString, CString>(&path, &actions, &attributes, &argv, &[]);
        if outcome != Err(Errno::ENOENT) {
            break;
        }
    }
    outcome?;
    Ok(ours)
}

/// Starts a program beside us that shares everything with us: descriptors, environment, process group. Its pid.
///
/// # Errors
/// Why not.
pub fn start_command(path: &Path, argv: &[OsString]) -> io::Result<i32> {
    let mut attributes = PosixSpawnAttr::init()?;
    attributes.set_flags(PosixSpawnFlags::POSIX_SPAWN_SETSIGDEF)?;
    attributes.set_sigdefault(&SigSet::from_iter(OURS))?;
    let argv = c_strings(argv.iter().map(OsString::as_os_str))?;
    let variable = |(name, value): (OsString, OsString)| {
        let mut entry = name.into_vec();
        entry.push(b'=');
        entry.extend(value.into_vec());
        c_string(entry)
    };
    let environment = std::env::vars_os().map(variable).list_all()?;
    let actions = PosixSpawnFileActions::init()?;
    Ok(posix_spawn(path, &actions, &attributes, &argv, &environment)?.as_raw())
}

/// Our end of the socket, in a program that was started by [`start`].
///
/// # Errors
/// Descriptor [`SOCKET`] is no socket.
pub fn socket_of_starter() -> io::Result<UnixStream> {
    let mut kind: libc::c_int = 0;
    let mut length = size_of_val(&kind) as libc::socklen_t;
    // SAFETY: `kind` is as long as `length` says; a number that is no descriptor is an error.
    check(unsafe {
        libc::getsockopt(SOCKET, libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &raw mut length)
    })?;
    // SAFETY: it is open, we inherited it, and nobody else in this process knows of it: whoever calls this does so once, before anything else.
    Ok(unsafe { UnixStream::from_raw_fd(SOCKET) })
}

fn c_strings<'a>(words: impl Iterator<Item = &'a OsStr>) -> io::Result<Vec<CString>> {
    words.map(|word| c_string(word.as_bytes())).list_all()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;
    use crate::sys::testing;

    #[test]
    fn started_program_has_the_socket_and_an_empty_environment() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        let text = "#!/bin/sh\nread line <&3\necho \"$1 $line ${HOME-none}\" >&3\n";
        std::fs::write(&script, text).unwrap();
        std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let missing = folder.path().join("missing");
        let mut socket = start(&[missing.as_os_str(), script.as_os_str()], "bridge").unwrap();
        socket.write_all(b"hello\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "bridge hello none\n");
    }

    #[test]
    fn missing_program_is_not_found() {
        let missing = OsStr::new("/no/such/program");
        assert_eq!(start(&[missing], "x").unwrap_err().kind(), io::ErrorKind::NotFound);
        // It gives signals their default action first, which here would be all other tests' as well.
        testing::alone(|| {
            assert_eq!(become_program("/no/such/program", &[]).unwrap_err().kind(), io::ErrorKind::NotFound);
        });
    }
}
