//! Real sockets in temporary directories, each test in a process of its own: binding changes the umask.

use super::*;
use crate::sys::testing;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

const OURS: (Option<u32>, Option<u32>) = (None, None);

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    (folder, path)
}

/// A socket whose listener died without a word.
fn leave_stale_socket(path: &Path) {
    testing::alone(|| drop(UnixListener::bind(path).unwrap()));
    assert!(path.exists());
}

#[test]
fn client_connects_is_accepted_with_its_identity_and_bytes() {
    testing::alone(|| {
        let (_folder, path) = place();
        let mut listener = Listener::bind(&path, 0o600, OURS).unwrap();
        assert!(listener.accept().unwrap().is_none());
        let mut client = UnixStream::connect(&path).unwrap();
        let (connection, origin) = listener.accept().unwrap().unwrap();
        let Origin::Local(peer) = origin else { panic!("{origin:?}") };
        assert_eq!((peer.pid, peer.uid), (std::process::id() as i32, nix::unistd::geteuid().as_raw()));
        let mut buffer = [0; 8];
        assert_eq!(read(&connection, &mut buffer).unwrap(), Read::WouldBlock);
        client.write_all(b"hi").unwrap();
        assert_eq!(read(&connection, &mut buffer).unwrap(), Read::Bytes(2));
        assert_eq!(write(&connection, b"yo").unwrap(), Written::Bytes(2));
        client.read_exact(&mut buffer[..2]).unwrap();
        drop(client);
        assert_eq!(read(&connection, &mut buffer).unwrap(), Read::End);
        assert_eq!(write(&connection, b"x").unwrap(), Written::Gone);
    });
}

#[test]
fn port_gives_the_address_of_who_connects_and_is_refused_while_somebody_has_it() {
    testing::alone(|| {
        let theirs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = theirs.local_addr().unwrap();
        assert!(matches!(Listener::bind_port(address), Err(BindError::InUse)));
        drop(theirs);
        let mut listener = Listener::bind_port(address).unwrap();
        assert!(listener.is_in_place() && listener.accept().unwrap().is_none());
        let mut client = std::net::TcpStream::connect(address).unwrap();
        let (connection, origin) = listener.accept().unwrap().unwrap();
        assert_eq!(origin, Origin::Remote("127.0.0.1".parse().unwrap()));
        assert_eq!(read(&connection, &mut [0]).unwrap(), Read::WouldBlock);
        assert_eq!(write(&connection, b"hi").unwrap(), Written::Bytes(2));
        client.read_exact(&mut [0; 2]).unwrap();
    });
}

#[test]
fn mode_is_exactly_the_given_one_and_the_umask_is_ours_again() {
    testing::alone(|| {
        let (_folder, path) = place();
        let before = process::set_umask(0o027);
        let _listener = Listener::bind(&path, 0o766, OURS).unwrap();
        assert_eq!(process::set_umask(before), 0o027);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o766);
    });
}

#[test]
fn owner_is_given_by_root_and_refused_to_others() {
    if !testing::root_or_skip("owner_is_given") {
        return;
    }
    testing::alone(|| {
        let (folder, path) = place();
        let listener = Listener::bind(&path, 0o600, (Some(12_345), Some(23_456))).unwrap();
        let facts = std::fs::metadata(&path).unwrap();
        assert_eq!((facts.uid(), facts.gid()), (12_345, 23_456));
        drop(listener);
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
        assert!(testing::in_fork(|| {
            // SAFETY: the copy gives up its rights.
            unsafe { libc::setuid(12_345) };
            matches!(Listener::bind(&path, 0o600, (Some(0), None)), Err(BindError::NotPermitted(_))) && !path.exists()
        }));
    });
}

#[test]
fn second_listener_is_told_it_is_in_use_and_the_first_lives_on() {
    testing::alone(|| {
        let (_folder, path) = place();
        let mut first = Listener::bind(&path, 0o600, OURS).unwrap();
        assert!(matches!(Listener::bind(&path, 0o600, OURS), Err(BindError::InUse)));
        assert!(first.is_in_place());
        let _client = UnixStream::connect(&path).unwrap();
        // The second's question is a connection, too.
        assert!(first.accept().unwrap().is_some() && first.accept().unwrap().is_some());
    });
}

#[test]
fn stale_socket_is_taken_over() {
    testing::alone(|| {
        let (_folder, path) = place();
        leave_stale_socket(&path);
        let mut listener = Listener::bind(&path, 0o600, OURS).unwrap();
        let _client = UnixStream::connect(&path).unwrap();
        assert!(listener.accept().unwrap().is_some());
    });
}

#[test]
fn socket_with_a_full_backlog_is_alive() {
    testing::alone(|| {
        let (_folder, path) = place();
        let busy = stream_socket(libc::AF_UNIX).unwrap();
        bind_with_mode(&busy, &path, 0o700).unwrap();
        // SAFETY: takes numbers only.
        check(unsafe { libc::listen(busy.as_raw_fd(), 0) }).unwrap();
        let _waiting = UnixStream::connect(&path).unwrap();
        assert!(matches!(Listener::bind(&path, 0o600, OURS), Err(BindError::InUse)));
    });
}

#[test]
fn other_things_at_the_path_are_never_removed() {
    testing::alone(|| {
        let (folder, path) = place();
        std::fs::write(&path, "precious").unwrap();
        assert!(matches!(Listener::bind(&path, 0o600, OURS), Err(BindError::NotASocket)));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        assert!(matches!(Listener::bind(folder.path(), 0o600, OURS), Err(BindError::NotASocket)));
        let datagram = folder.path().join("d");
        let _log = UnixDatagram::bind(&datagram).unwrap();
        assert!(matches!(Listener::bind(&datagram, 0o600, OURS), Err(BindError::InUse)));
    });
}

#[test]
fn path_too_long_or_missing_is_said_so() {
    testing::alone(|| {
        let (folder, path) = place();
        let long = folder.path().join("x".repeat(LONGEST_PATH));
        let error = Listener::bind(&long, 0o600, OURS).unwrap_err();
        assert!(matches!(error, BindError::TooLong(n) if n > LONGEST_PATH));
        assert!(error.to_string().starts_with("AF_UNIX path too long"));
        let missing = path.join("deeper");
        assert!(matches!(Listener::bind(&missing, 0o600, OURS), Err(BindError::Io(_))));
    });
}

#[test]
fn dropped_listener_removes_its_own_file_only() {
    testing::alone(|| {
        let (_folder, path) = place();
        drop(Listener::bind(&path, 0o600, OURS).unwrap());
        assert!(!path.exists());
        let first = Listener::bind(&path, 0o600, OURS).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(!first.is_in_place());
        let second = Listener::bind(&path, 0o600, OURS).unwrap();
        first.unlink();
        assert!(second.is_in_place());
    });
}

#[test]
fn many_starters_at_once_leave_exactly_one() {
    const STARTERS: usize = 8;
    testing::alone(|| {
        let (_folder, path) = place();
        leave_stale_socket(&path);
        let (go_reader, go_writer) = fds::pipe().unwrap();
        let (end_reader, end_writer) = fds::pipe().unwrap();
        let (told_reader, told_writer) = fds::pipe().unwrap();
        let starter = || {
            let _ = read(&go_reader, &mut [0; 1]);
            let bound = Listener::bind(&path, 0o600, OURS);
            fds::write(&told_writer, if bound.is_ok() { b"y" } else { b"n" }).unwrap();
            // Hold what was bound until all have tried.
            let _ = read(&end_reader, &mut [0; 1]);
            bound.as_ref().is_ok_and(Listener::is_in_place) || matches!(bound, Err(BindError::InUse))
        };
        let pids: Vec<i32> = (0..STARTERS).map(|_| testing::start(starter)).collect();
        fds::write(&go_writer, &[0; STARTERS]).unwrap();
        let mut told = [0; STARTERS];
        File::from(told_reader).read_exact(&mut told).unwrap();
        assert_eq!(told.iter().filter(|&&answer| answer == b'y').count(), 1);
        fds::write(&end_writer, &[0; STARTERS]).unwrap();
        for pid in pids {
            assert_eq!(testing::wait_for(pid), crate::sys::reap::WaitStatus::Exited(0));
        }
    });
}

#[test]
fn no_descriptor_left_sheds_the_client_and_says_so() {
    testing::alone(|| {
        let (_folder, path) = place();
        let mut listener = Listener::bind(&path, 0o600, OURS).unwrap();
        let mut client = UnixStream::connect(&path).unwrap();
        assert!(testing::in_fork(|| {
            // SAFETY: fills the copy's table.
            while unsafe { libc::dup(0) } >= 0 {}
            let emfile = |result: io::Result<_>| result.is_err_and(|error| error.raw_os_error() == Some(libc::EMFILE));
            let shed = emfile(listener.accept().map(drop));
            let then_nobody = matches!(listener.accept(), Ok(None));
            listener.spare = None;
            // SAFETY: takes the place that the spare left.
            unsafe { libc::dup(0) };
            shed && then_nobody && emfile(listener.accept().map(drop))
        }));
        assert_eq!(client.read(&mut [0; 1]).unwrap_or(0), 0);
    });
}
