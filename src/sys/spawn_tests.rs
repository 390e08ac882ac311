//! Real children.

use super::*;
use crate::sys::poll::{Interest, Poll};
use crate::sys::reap::WaitStatus;
use crate::sys::testing::{self, read_all, wait_for};
use std::path::PathBuf;
use std::time::Duration;

/// A spec under construction: `sh -c script` with pipes everywhere.
struct Case {
    path: PathBuf,
    argv: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
}

fn sh(script: &str) -> Case {
    Case {
        path: PathBuf::from("/bin/sh"),
        argv: ["sh", "-c", script].map(OsString::from).to_vec(),
        env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
    }
}

impl Case {
    fn spec(&self) -> Spec<'_> {
        Spec {
            path: &self.path,
            argv: &self.argv,
            env: &self.env,
            directory: None,
            umask: None,
            lead: Lead::Group,
            signals: Signals::Default,
            limits: None,
            credentials: None,
            redirect_stderr: false,
            stdin: Stdin::Pipe,
            stdout: Output::Pipe,
            stderr: Output::Pipe,
            keep: &[],
            listen: &[],
            extra: None,
            confined: false,
        }
    }
}

/// Wait for the verdict of the status pipe.
fn verdict(child: &Child) -> ExecStatus {
    let mut poll = Poll::new();
    poll.set((), child.status.as_raw_fd(), Interest::READ);
    let mut out = Vec::new();
    loop {
        match read_status(&child.status) {
            ExecStatus::Pending => poll.wait(Some(Duration::from_secs(10)), &mut out).unwrap(),
            done => return done,
        }
    }
}

fn output(spec: &Spec) -> (String, WaitStatus) {
    let child = spawn(spec).unwrap();
    assert_eq!(verdict(&child), ExecStatus::Execed);
    drop(child.stdin);
    let text = read_all(child.stdout.unwrap());
    (text, wait_for(child.pid))
}

fn failure(spec: &Spec) -> (Stage, i32) {
    let child = spawn(spec).unwrap();
    let verdict = verdict(&child);
    assert_eq!(wait_for(child.pid), WaitStatus::Exited(127));
    match verdict {
        ExecStatus::Failed(error) => (error.stage, error.errno),
        other => panic!("{other:?}"),
    }
}

#[test]
fn shell_writes_and_exits_is_seen_with_output_and_code() {
    let case = sh("echo out; echo err >&2; exit 3");
    let child = spawn(&case.spec()).unwrap();
    assert_eq!(verdict(&child), ExecStatus::Execed);
    assert_eq!(read_all(child.stdout.unwrap()), "out\n");
    assert_eq!(read_all(child.stderr.unwrap()), "err\n");
    assert_eq!(wait_for(child.pid), WaitStatus::Exited(3));
}

#[test]
fn redirected_stderr_arrives_in_order_on_stdout() {
    let case = sh("echo a; echo b >&2; echo c");
    let spec = Spec { redirect_stderr: true, ..case.spec() };
    let child = spawn(&spec).unwrap();
    assert!(child.stderr.is_none());
    assert_eq!(read_all(child.stdout.unwrap()), "a\nb\nc\n");
    wait_for(child.pid);
}

#[test]
fn stdin_pipe_stays_open_and_carries_bytes() {
    let case = sh("read line; echo got $line");
    let child = spawn(&case.spec()).unwrap();
    let stdin = child.stdin.unwrap();
    assert_eq!(fds::write(&stdin, b"hello\n").unwrap(), fds::Written::Bytes(6));
    assert_eq!(read_all(child.stdout.unwrap()), "got hello\n");
    wait_for(child.pid);
}

#[test]
fn stdin_given_as_descriptor_is_read() {
    let (reader, writer) = fds::pipe().unwrap();
    fds::write(&writer, b"given\n").unwrap();
    drop(writer);
    let case = sh("cat");
    let spec = Spec { stdin: Stdin::Fd(reader.as_fd()), ..case.spec() };
    assert_eq!(output(&spec).0, "given\n");
}

#[test]
fn stdin_null_is_at_its_end_and_output_null_is_lost() {
    let case = sh("cat; echo x >&2; echo done");
    let spec = Spec { stdin: Stdin::Null, stderr: Output::Null, ..case.spec() };
    assert_eq!(output(&spec), ("done\n".into(), WaitStatus::Exited(0)));
}

#[test]
fn missing_file_fails_at_exec() {
    let case = Case { path: "/nowhere/x".into(), ..sh("") };
    assert_eq!(failure(&case.spec()), (Stage::Exec, libc::ENOENT));
}

#[test]
fn file_without_format_fails_at_exec_and_no_shell_tries_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script");
    std::fs::write(&file, "echo hello\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    // Another test's fork may hold the file open for writing until its exec.
    let case = Case { path: file, ..sh("") };
    let seen = std::iter::repeat_with(|| failure(&case.spec())).find(|seen| seen.1 != libc::ETXTBSY);
    assert_eq!(seen, Some((Stage::Exec, libc::ENOEXEC)));
}

#[test]
fn missing_directory_fails_at_its_stage() {
    let case = sh("true");
    let spec = Spec { directory: Some("/nowhere/at/all"), ..case.spec() };
    assert_eq!(failure(&spec), (Stage::Directory, libc::ENOENT));
}

#[test]
fn nul_in_an_argument_is_refused_before_the_fork() {
    let mut case = sh("true");
    case.argv.push("a\0b".into());
    assert_eq!(spawn(&case.spec()).unwrap_err(), SpawnError { stage: Stage::Prepare, errno: libc::EINVAL });
}

#[test]
fn directory_umask_and_environment_are_those_of_the_spec() {
    let mut case = sh("pwd; umask; echo $A; env | wc -l");
    case.env = vec![("A".into(), "x y=z".into()), ("PATH".into(), "/usr/bin:/bin".into())];
    let spec = Spec { directory: Some("/"), umask: Some(0o027), ..case.spec() };
    let (text, _) = output(&spec);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..3], ["/", "0027", "x y=z"]);
}

#[test]
fn child_leads_its_own_group() {
    let case = sh("read line");
    let child = spawn(&case.spec()).unwrap();
    // SAFETY: asks for a number.
    assert_eq!(unsafe { libc::getpgid(child.pid) }, child.pid);
    drop(child.stdin);
    wait_for(child.pid);
}

#[cfg(target_os = "linux")]
#[test]
fn child_has_default_signals_and_an_empty_mask() {
    let case = Case { path: "/bin/cat".into(), argv: vec!["cat".into(), "/proc/self/status".into()], env: vec![] };
    let blocked = signals::block_all();
    let (text, _) = output(&case.spec());
    drop(blocked);
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap()
    };
    // 32 to 34 belong to the C library, which lets nobody set them.
    let ours = |name| field(name) & !(0b111 << 31);
    assert_eq!((ours("SigBlk:"), ours("SigIgn:"), ours("SigCgt:")), (0, 0, 0), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn no_descriptor_above_2_reaches_the_child() {
    let (_reader, writer) = fds::pipe().unwrap();
    // SAFETY: makes an inheritable copy, closed below.
    let leaky = unsafe { libc::dup(writer.as_raw_fd()) };
    let case = Case {
        path: "/bin/ls".into(),
        argv: vec!["ls".into(), "/proc/self/fd".into()],
        env: vec![("LC_ALL".into(), "C".into())],
    };
    let (text, _) = output(&case.spec());
    // SAFETY: the copy made above.
    unsafe { libc::close(leaky) };
    // 3 is the directory that ls itself reads.
    assert_eq!(text.lines().collect::<Vec<_>>(), ["0", "1", "2", "3"]);
}

#[test]
fn our_ends_do_not_block_and_close_on_exec() {
    let case = sh("read line");
    let child = spawn(&case.spec()).unwrap();
    for fd in [child.stdin.as_ref(), child.stdout.as_ref(), child.stderr.as_ref(), Some(&child.status)] {
        let fd = fd.unwrap().as_raw_fd();
        // SAFETY: both ask for flags.
        let (file, descriptor) = unsafe { (libc::fcntl(fd, libc::F_GETFL), libc::fcntl(fd, libc::F_GETFD)) };
        assert!(file & libc::O_NONBLOCK != 0 && descriptor & libc::FD_CLOEXEC != 0);
    }
    drop(child.stdin);
    wait_for(child.pid);
}

#[test]
fn standard_descriptors_closed_in_us_still_gives_the_child_its_pipes() {
    // In a forked copy, 0 to 2 are closed: every pipe then gets a number that the child must overwrite.
    let case = sh("read line; echo $line; echo $line >&2");
    let spec = case.spec();
    let ok = testing::in_fork(|| {
        // SAFETY: the copy's own descriptors.
        unsafe {
            libc::close(0);
            libc::close(1);
            libc::close(2);
        }
        let Ok(child) = spawn(&spec) else { return false };
        let _ = fds::write(child.stdin.as_ref().unwrap(), b"x\n");
        let both = read_all(child.stdout.unwrap()) + &read_all(child.stderr.unwrap());
        wait_for(child.pid) == WaitStatus::Exited(0) && both == "x\nx\n"
    });
    assert!(ok);
}

#[test]
fn other_user_is_taken_on_with_exactly_the_given_groups() {
    if !testing::root_or_skip("other_user") {
        return;
    }
    let credentials = Credentials { uid: 12_345, gid: 23_456, groups: vec![23_456, 34_567] };
    let case = sh("id -u; id -g; id -G");
    let spec = Spec { credentials: Some(&credentials), ..case.spec() };
    assert_eq!(output(&spec).0, "12345\n23456\n23456 34567\n");
}

#[test]
fn user_that_cannot_be_set_starts_nothing() {
    if !testing::root_or_skip("user_that_cannot_be_set") {
        return;
    }
    // All ones means "leave alone" to some calls, so the kernel refuses it as an id.
    let credentials = Credentials { uid: u32::MAX, gid: 23_456, groups: vec![] };
    let case = sh("echo must not run");
    let spec = Spec { credentials: Some(&credentials), ..case.spec() };
    assert_eq!(failure(&spec), (Stage::UserId, libc::EINVAL));
}

#[test]
fn without_rights_other_user_starts_nothing() {
    if !testing::root_or_skip("without_rights") {
        return;
    }
    let case = sh("echo must not run");
    let other = Credentials { uid: 12_346, gid: 12_346, groups: vec![12_346] };
    let spec = Spec { credentials: Some(&other), ..case.spec() };
    let ok = testing::in_fork(|| {
        // SAFETY: the copy gives up its rights; both take numbers.
        unsafe {
            libc::setgid(12_345);
            libc::setuid(12_345);
        }
        failure(&spec) == (Stage::Groups, libc::EPERM)
    });
    assert!(ok);
}

#[test]
fn own_uid_needs_no_change() {
    let ours = Credentials {
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
        groups: vec![4, 5, 6],
    };
    assert!(!ours.differ_from_ours());
    assert!(Credentials { uid: ours.uid + 1, ..ours }.differ_from_ours());
}

#[test]
fn stage_survives_its_byte() {
    for stage in Stage::ALL.into_iter().chain([Stage::Rlimit(0), Stage::Rlimit(15)]) {
        assert_eq!(Stage::from_byte(stage.byte()), Some(stage));
    }
    assert_eq!(Stage::from_byte(0), None);
    let error = SpawnError { stage: Stage::Directory, errno: libc::ENOENT };
    assert_eq!(error.to_string(), "cannot change directory: No such file or directory");
}

#[cfg(target_os = "linux")]
#[test]
fn child_with_a_terminal_leads_a_session_and_has_it_on_every_descriptor() {
    use std::io::Read as _;
    let master = nix::pty::posix_openpt(nix::fcntl::OFlag::O_RDWR | nix::fcntl::OFlag::O_NOCTTY).unwrap();
    nix::pty::grantpt(&master).unwrap();
    nix::pty::unlockpt(&master).unwrap();
    let path = nix::pty::ptsname_r(&master).unwrap();
    let case = sh("tty; tty <&2; echo by-name >/dev/tty; exit 4");
    let spec = Spec {
        lead: Lead::Terminal(&path),
        stdin: Stdin::Terminal,
        stdout: Output::Terminal,
        stderr: Output::Terminal,
        ..case.spec()
    };
    let child = spawn(&spec).unwrap();
    assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
    assert_eq!(verdict(&child), ExecStatus::Execed);
    // SAFETY: asks for a number.
    assert_eq!(unsafe { libc::getsid(child.pid) }, child.pid);
    let (mut file, mut text) = (std::fs::File::from(std::os::fd::OwnedFd::from(master)), Vec::new());
    // The end of a terminal is an error.
    let _ = file.read_to_end(&mut text);
    assert_eq!(String::from_utf8(text).unwrap(), format!("{path}\r\n{path}\r\nby-name\r\n"));
    assert_eq!(wait_for(child.pid), WaitStatus::Exited(4));
}

#[test]
fn terminal_that_is_none_or_missing_fails_in_its_stage() {
    let case = sh("echo must not run");
    let on = |path| Spec { lead: Lead::Terminal(path), stdin: Stdin::Terminal, ..case.spec() };
    assert_eq!(failure(&on("/dev/nowhere")), (Stage::Terminal, libc::ENOENT));
    assert_eq!(failure(&on("/dev/null")), (Stage::Terminal, libc::ENOTTY));
}

#[test]
fn confined_child_gains_no_rights_and_leaves_no_core() {
    let case = sh("ulimit -c; sed -n 's/^NoNewPrivs:[^0-9]*//p' /proc/self/status 2>/dev/null");
    let spec = Spec { confined: true, ..case.spec() };
    let (said, _) = output(&spec);
    let expected = if cfg!(target_os = "linux") { "0\n1\n" } else { "0\n" };
    assert_eq!(said, expected);
}

#[test]
fn socket_that_the_environment_does_not_tell_of_has_the_first_free_number_and_no_pid_is_added() {
    let (ours, theirs) = crate::sys::channel::packets().unwrap();
    let case = sh("ls /proc/self/fd | head -4 | tr '\\n' ' '; env | grep -c LISTEN; printf x >&3");
    let listen = [theirs.as_raw_fd()];
    let spec = Spec { listen: &listen, ..case.spec() };
    let (said, _) = output(&spec);
    assert!(said.starts_with("0 1 2 3 ") && said.ends_with("0\n"), "{said}");
    let mut byte = [0];
    assert_eq!(crate::sys::fds::read(&ours, &mut byte).unwrap(), crate::sys::fds::Read::Bytes(1));
}

#[test]
fn extra_descriptor_has_its_number_and_no_other_comes_with_it() {
    let (reader, writer) = fds::pipe().unwrap();
    // What lies between must not come along, even when it was not to be closed.
    let (between, _other) = fds::pipe().unwrap();
    fds::set_close_on_exec(between.as_raw_fd(), false).unwrap();
    for number in [3, 9, 200] {
        let script = format!("echo up > /proc/self/fd/{number}; for fd in /proc/self/fd/*; do echo ${{fd##*/}}; done");
        let case = sh(&script);
        let spec = Spec { extra: Some((writer.as_raw_fd(), number)), ..case.spec() };
        let (text, status) = output(&spec);
        assert_eq!(status, WaitStatus::Exited(0));
        let mut others: Vec<i32> = text.lines().map(|line| line.parse().unwrap()).filter(|fd| *fd > 2).collect();
        // The shell has the directory open while it looks.
        others.retain(|fd| *fd != number);
        assert!(others.len() <= 1, "{number}: {text}");
    }
    drop(writer);
    assert_eq!(read_all(reader), "up\nup\nup\n");
}
