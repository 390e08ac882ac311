//! Places where little is there: nothing is needed to run. What is missing is a warning.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::fcntl::OFlag;
use nix::sys::signal::Signal;

use super::kernel::{cpu_time, is_installed, is_root, status_line, wait_for_standard_descriptors};
use super::support::{Daemon, TIMEOUT, VISOR, can_be_pid1, can_mount, clean_command, copy_program, eventually, run};

const TALKER: &str = "[program:x]\ncommand=sh -c \"echo hello from x; exec sleep 1000\"\nstartsecs=0\n";

fn stops_well(daemon: &Daemon) {
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
}

#[test]
fn read_only_root_without_any_writable_directory() {
    if !can_mount("a read-only root") {
        return;
    }
    let daemon = Daemon::builder()
        .under_mounts("mount --make-rprivate /; mount -o remount,bind,ro /; ! touch $DIR/x 2>&-; ! touch /x 2>&-")
        .conf(TALKER)
        .start();
    daemon.wait_for_log("success: x entered RUNNING state");
    daemon.wait_for_log("hello from x");
    let log = daemon.process().log();
    for phrase in ["cannot listen on", "could not write pidfile", "cannot create log of x"] {
        assert!(log.iter().any(|line| line.contains("WARN") && line.contains(phrase)), "{phrase}: {log:?}");
    }
    assert!(log.iter().any(|line| line.contains("visor.log")), "the main log is missed too: {log:?}");
    stops_well(&daemon);
}

#[test]
fn no_proc() {
    if !can_mount("no /proc") {
        return;
    }
    let daemon = Daemon::builder()
        .under("exec 5</dev/null")
        .under_mounts("mount -t tmpfs -o size=0 none /proc")
        .conf("[program:x]\ncommand=sh -c \"seq 1 30000; exec sleep 1000\"\nstartsecs=0\nstdout_logfile=/dev/stderr\n")
        .supervisord("loglevel=info")
        .start();
    // A pipe that cannot be opened again without /proc; visor's own lines go elsewhere.
    let errors = eventually("all numbers come", || {
        let errors = daemon.process().errors();
        errors.ends_with("\n30000\n").then_some(errors)
    });
    assert!(errors.lines().map(str::parse).eq((1..=30_000).map(Ok::<usize, _>)), "numbers in order");
    daemon.request_ok("restart x");
    let pid = daemon.pid_of("x");
    // Seen with our /proc.
    eventually("it runs sleep", || {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        (name == "sleep\n").then_some(())
    });
    wait_for_standard_descriptors(pid);
    stops_well(&daemon);
}

#[test]
fn no_passwd_file() {
    if !can_mount("no passwd file") {
        return;
    }
    let daemon = Daemon::builder()
        .under_mounts("mount --bind /dev/null /etc/passwd; mount --bind /dev/null /etc/group")
        .conf(&format!("{TALKER}user=12345\n"))
        .start();
    daemon.wait_for_log("hello from x");
    assert_eq!(status_line(daemon.pid_of("x"), "Uid").split_whitespace().next(), Some("12345"));
    stops_well(&daemon);
}

#[test]
fn any_uid_without_a_passwd_entry() {
    if !is_root("another user id") {
        return;
    }
    let daemon = Daemon::builder().uid(12345).conf(&format!("{TALKER}user=12345\n")).start();
    daemon.wait_for_log("hello from x");
    assert_eq!(status_line(daemon.pid(), "Uid").split_whitespace().next(), Some("12345"));
    daemon.wait_for_state("x", "RUNNING");
    stops_well(&daemon);
    // Another's uid cannot be had: said for the program, and nothing runs.
    let daemon =
        Daemon::builder().uid(12345).conf("[program:x]\ncommand=touch $DIR/ran\nuser=0\nstartretries=0\n").start();
    daemon.wait_for_state("x", "FATAL");
    daemon.wait_for_log("spawnerr: couldn't setuid to 0");
    assert!(!daemon.file("ran").exists());
}

#[test]
fn unprivileged_user_without_a_place_for_the_socket() {
    if !is_root("another user id") {
        return;
    }
    let daemon = Daemon::builder()
        .uid(12345)
        .whole_conf(&format!(
            "[supervisord]\nnodaemon=true\nlogfile=/nonexistent-on-purpose.log\npidfile=/visor-test.pid\nchildlogdir=/\nloglevel=debug\n{TALKER}"
        ))
        .start();
    daemon.wait_for_log("hello from x");
    daemon.wait_for_log("no control socket");
    stops_well(&daemon);
}

/// Copies a program and the libraries it wants into `root`.
fn install(program: &str, root: &Path) {
    let output = Command::new("ldd").arg(program).output().expect("ldd");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let libraries = text.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.chain([program]) {
        let place = root.join(file.trim_start_matches('/'));
        std::fs::create_dir_all(place.parent().expect("a directory")).expect("a directory");
        copy_program(Path::new(file), &place);
    }
}

#[test]
fn root_directory_with_nothing_but_visor_and_a_program_as_pid_1() {
    let what = "an empty root directory";
    if !can_be_pid1(what) || !is_root(what) || !is_installed("ldd", what) {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let root = place.path();
    install(VISOR, root);
    install("/bin/sleep", root);
    copy_program(Path::new(VISOR), &root.join("visor"));
    std::fs::write(
        root.join("v.conf"),
        "[supervisord]\nnodaemon=true\nloglevel=debug\n[program:x]\ncommand=/bin/sleep 1000\nstartsecs=0\n",
    )
    .expect("a file");
    let mut command = clean_command("unshare");
    command.args(["--pid", "--fork", "--kill-child", "chroot"]).arg(root).args(["/visor", "-c", "/v.conf"]);
    let visor = super::support::Foreground::start(command, true);
    visor.wait_for_log("success: x entered RUNNING state");
    visor.signal(Signal::SIGTERM);
    assert_eq!(visor.wait_exit(TIMEOUT).code(), Some(0));
    let log = visor.log();
    assert!(log.iter().all(|line| !line.contains("ERRO") && !line.contains("CRIT")), "{log:?}");
}

#[test]
fn odd_and_large_environments_are_passed_on() {
    let mut builder = Daemon::builder().env("EMPTY", "").env("EQUALS", "a=b=c").env("PERCENT", "%(here)s %s").conf(
        "[program:x]\ncommand=env\nstartsecs=0\nautorestart=false\nstdout_logfile=$DIR/out\nenvironment=OWN=\"1,2\"\n",
    );
    for number in 0..300 {
        builder = builder.env(&format!("V{number}"), &"v".repeat(200));
    }
    let daemon = builder.start();
    daemon.wait_for_log("exited: x");
    let out = daemon.read("out");
    for line in [
        "EMPTY=",
        "EQUALS=a=b=c",
        "PERCENT=%(here)s %s",
        "OWN=1,2",
        "SUPERVISOR_PROCESS_NAME=x",
        "SUPERVISOR_ENABLED=1",
    ] {
        assert!(out.lines().any(|it| it == line), "`{line}`");
    }
    assert!(out.contains(&format!("V299={}", "v".repeat(200))));
}

/// visor as the leader of a session on a new terminal; the terminal's other side.
fn on_terminal(daemon: &tempfile::TempDir, conf: &str) -> (std::process::Child, File) {
    std::fs::write(daemon.path().join("visor.conf"), super::support::in_directory(conf, daemon.path()))
        .expect("a file");
    // Closed on exec from birth: a copy in a child would keep the terminal from ever hanging up.
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = nix::pty::posix_openpt(flags).expect("a terminal");
    nix::pty::grantpt(&master).expect("its other side");
    nix::pty::unlockpt(&master).expect("its other side");
    let name = nix::pty::ptsname_r(&master).expect("its name");
    let opened = OpenOptions::new().read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits()).open(name);
    let slave = opened.expect("its other side");
    let side = || Stdio::from(slave.try_clone().expect("the terminal"));
    let mut command = clean_command("setsid");
    command.args(["--ctty", "--wait"]).arg(VISOR).args(["-c", "visor.conf"]).current_dir(daemon.path());
    let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().expect("setsid");
    (child, File::from(std::os::fd::OwnedFd::from(master)))
}

/// What the terminal shows, until it holds `phrase`.
fn read_until(terminal: &mut File, phrase: &str) -> String {
    let mut all = String::new();
    let mut buffer = [0; 4096];
    while !all.contains(phrase) {
        let count = terminal.read(&mut buffer).unwrap_or_else(|error| panic!("`{phrase}`: {error} after {all}"));
        assert!(count > 0, "`{phrase}` in {all}");
        all += &String::from_utf8_lossy(&buffer[..count]);
    }
    all
}

#[test]
fn ctrl_c_on_a_terminal_stops_visor_which_stops_its_programs() {
    if !is_installed("setsid", "a terminal") {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let conf = "[supervisord]\nnodaemon=true\nlogfile=$DIR/log\npidfile=$DIR/pid\nloglevel=debug\n[visor]\nsocket=$DIR/sock\n\
                [program:x]\ncommand=sh -c \"trap 'echo got INT' INT; trap 'echo got TERM; exit 0' TERM; echo ready; \
                while :; do sleep 0.05; done\"\nstartsecs=0\n";
    let (mut child, mut terminal) = on_terminal(&place, conf);
    read_until(&mut terminal, "ready");
    terminal.write_all(b"\x03").expect("Ctrl-C");
    let shown = read_until(&mut terminal, "stopped: x");
    assert!(shown.contains("received SIGINT indicating exit request"), "{shown}");
    // The program is in a group of its own: it gets what visor sends and nothing from the terminal.
    assert!(shown.contains("got TERM") && !shown.contains("got INT"), "{shown}");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn terminal_that_goes_away_is_no_reason_to_end() {
    if !is_installed("setsid", "a terminal") {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let conf = "[supervisord]\nnodaemon=true\nlogfile=$DIR/log\npidfile=$DIR/pid\nloglevel=debug\n[visor]\nsocket=$DIR/sock\n\
                [program:x]\ncommand=sleep 1000\nstartsecs=0\nstdout_logfile=/dev/stdout\n";
    let (mut child, mut terminal) = on_terminal(&place, conf);
    read_until(&mut terminal, "success: x");
    drop(terminal);
    // The hang-up means reload, which changes nothing here.
    eventually("it hears of it", || {
        std::fs::read_to_string(place.path().join("log")).ok()?.contains("received SIGHUP").then_some(())
    });
    let socket = place.path().join("sock");
    let mut connection = super::support::Connection::open(&socket);
    assert!(connection.request("restart x").is_ok());
    assert!(connection.request("shutdown").is_ok());
    eventually("it is gone", || (!socket.exists()).then_some(()));
    child.wait().expect("it ends");
}

#[test]
fn no_standard_descriptors_and_no_dev() {
    if !can_mount("no /dev") {
        return;
    }
    let daemon = Daemon::builder()
        .under_mounts("mount -t tmpfs -o size=0 none /dev; exec <&- >&- 2>&-")
        .conf("[program:x]\ncommand=sleep 1000\nstartsecs=0\n")
        .spawn();
    daemon.wait_until_it_answers();
    daemon.wait_for_state("x", "RUNNING");
    daemon.request_ok("restart x");
    stops_well(&daemon);
}

#[test]
fn table_of_descriptors_that_is_full_fails_starts_and_nothing_else() {
    let daemon = Daemon::builder()
        .under("ulimit -n 40")
        .supervisord("minfds=40")
        .conf(
            "[program:x]\ncommand=sleep 1000\nstartsecs=0\nnumprocs=20\nprocess_name=%(program_name)s_%(process_num)d\n\
             startretries=0\n",
        )
        .start();
    daemon.wait_for_log("too many open files to spawn 'x_");
    daemon.wait_for_log("entered FATAL state");
    daemon.wait_for_log("success: x_0 entered RUNNING state");
    // Nobody can be answered now; who tries costs no more than the try.
    let before = cpu_time(daemon.pid());
    for _ in 0..20 {
        drop(std::os::unix::net::UnixStream::connect(daemon.socket()));
    }
    let used = cpu_time(daemon.pid()) - before;
    assert!(used < std::time::Duration::from_millis(500), "{used:?} of CPU");
    stops_well(&daemon);
}

#[test]
fn svc_works_for_a_user_without_anything() {
    if !is_root("another user id") {
        return;
    }
    let daemon = Daemon::builder().uid(12345).conf(TALKER).start();
    daemon.wait_for_state("x", "RUNNING");
    let output = run({
        let mut command = clean_command(super::support::SVC);
        command.arg("-s").arg(daemon.socket()).arg("status");
        command
    });
    assert!(String::from_utf8_lossy(&output.stdout).contains("RUNNING"), "{output:?}");
}
