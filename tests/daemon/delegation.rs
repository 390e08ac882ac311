//! Who besides root may do what, as the users themselves find it, and what the log says of them.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::kernel::{is_installed, is_root};
use super::support::{Daemon, TIMEOUT, clean_command, eventually, run};

/// Users and a group that no machine has.
const ALICE: u32 = 12001;
const BOB: u32 = 12002;
const EVE: u32 = 12003;
const OPERATORS: u32 = 12100;

const PROGRAMS: &str = "[program:web]\ncommand=sleep 1000\nstartsecs=0\noperate=12002\n\
                        [program:db]\ncommand=sh -c 'exec cat >/dev/null'\nstartsecs=0\n";

/// Says one line over the control socket and prints the whole answer.
const TALK: &str = "$SIG{PIPE} = 'IGNORE'; my $s = IO::Socket::UNIX->new($ARGV[0]) or die \"connect: $!\\n\"; \
                    print $s \"$ARGV[1]\\n\"; shutdown($s, 1); print while <$s>";

fn can_be_others(what: &str) -> bool {
    is_root(what) && is_installed("setpriv", what) && is_installed("perl", what)
}

/// A command of a user who has this group besides the own one.
fn as_user(uid: u32, group: Option<u32>, program: &str) -> Command {
    let mut command = clean_command("setpriv");
    command.arg(format!("--reuid={uid}")).arg(format!("--regid={uid}"));
    match group {
        Some(group) => command.arg(format!("--groups={group}")),
        None => command.arg("--clear-groups"),
    };
    command.arg(program);
    command
}

/// What a user is answered.
fn ask(daemon: &Daemon, uid: u32, group: Option<u32>, line: &str) -> String {
    let mut command = as_user(uid, group, "perl");
    command.args(["-MIO::Socket::UNIX", "-e", TALK]).arg(daemon.socket()).arg(line);
    let output = run(command);
    let errors = String::from_utf8_lossy(&output.stderr);
    format!("{}{errors}", String::from_utf8_lossy(&output.stdout))
}

fn is_ok(answer: &str) -> bool {
    answer.lines().last().is_some_and(|end| end == "ok" || end.starts_with("ok "))
}

fn with(visor: &str) -> Daemon {
    Daemon::builder().under("chmod 755 $DIR").visor(visor).conf(PROGRAMS).start()
}

#[test]
fn users_and_groups_may_what_their_list_says_and_no_more() {
    if !can_be_others("users with rights") {
        return;
    }
    let daemon = with(&format!("observe={ALICE}\noperate=@{OPERATORS}\nadmin=nobody"));
    daemon.wait_for_state("db", "RUNNING");
    let observer = |line| ask(&daemon, ALICE, None, line);
    let operator = |line| ask(&daemon, EVE, Some(OPERATORS), line);
    let admin = |line| ask(&daemon, 65534, None, line);
    for line in ["status", "tail web", "why web", "config", "metrics", "maintail"] {
        assert!(is_ok(&observer(line)), "{line}");
        assert!(is_ok(&operator(line)), "{line}");
    }
    assert_eq!(
        observer("restart web"),
        format!("error not-permitted `restart` needs the right `operate`: uid {ALICE} has `observe`\n")
    );
    assert!(is_ok(&operator("restart web")));
    assert!(is_ok(&operator("send db hunter2%0A")));
    assert_eq!(
        operator("reload"),
        format!("error not-permitted `reload` needs the right `admin`: uid {EVE} has `operate`\n")
    );
    assert!(operator("config web").starts_with("error not-permitted "));
    assert!(is_ok(&admin("config web")));
    assert!(is_ok(&admin("stop db")));
    assert!(ask(&daemon, EVE, None, "status").starts_with("error not-permitted uid 12003 may not control this visor"));
    daemon.wait_for_log("WARN refused to uid 12001 (pid ");
    let line = daemon.wait_for_log("WARN refused to uid 12003 (pid ");
    assert!(line.ends_with(", for want of `admin`: reload"), "{line}");
    daemon.wait_for_log("INFO operate by uid 12003 (pid ");
    let line = daemon.wait_for_log("INFO operate by nobody (uid 65534, pid ");
    assert!(line.ends_with("): stop db"), "{line}");
    assert!(daemon.process().log().iter().all(|line| !line.contains("hunter2")), "what is sent is not in the log");
    assert!(is_ok(&admin("shutdown")));
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
}

#[test]
fn operator_of_one_program_sees_and_moves_that_one_alone() {
    if !can_be_others("users with a program of their own") {
        return;
    }
    let daemon = with("");
    daemon.wait_for_state("web", "RUNNING");
    let bob = |line| ask(&daemon, BOB, None, line);
    let status = bob("status");
    assert!(status.contains(" name=web ") && !status.contains("name=db") && is_ok(&status), "{status}");
    for line in
        ["hello", "state", "why web", "tail web", "restart web", "stop web:*", "start web:web", "signal CONT web"]
    {
        assert!(is_ok(&bob(line)), "{line}: {}", bob(line));
    }
    for line in [
        "stop db",
        "stop web db",
        "stop all",
        "status db",
        "why nosuch",
        "tail db",
        "watch",
        "watch db",
        "watch --type REMOTE_COMMUNICATION web",
        "update web",
        "maintail",
    ] {
        let answer = bob(line);
        assert!(
            answer.starts_with("error not-permitted ") && answer.contains("has it for some programs only"),
            "{answer}"
        );
    }
    assert_eq!(daemon.state_of("db"), "RUNNING");
    let mut svc = as_user(BOB, None, "sh");
    // Where the tests stand may be closed to other users.
    let copy = daemon.file("svc");
    super::support::copy_program(super::support::SVC.as_ref(), &copy);
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).expect("a copy");
    svc.args(["-c", "\"$0\" -s \"$1\" stop web db"]).arg(copy).arg(daemon.socket());
    let output = run(svc);
    let screen = String::from_utf8_lossy(&output.stdout);
    let mut waits = as_user(BOB, None, "sh");
    waits.args(["-c", "\"$0\" -s \"$1\" wait web --for running"]).arg(daemon.file("svc")).arg(daemon.socket());
    assert_eq!(run(waits).stdout, b"web: running\n");
    assert_eq!(screen, "error: `stop` needs the right `operate`: uid 12002 has it for some programs only\n");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn operator_of_one_program_starts_nobody_else_with_it() {
    if !can_be_others("programs that need others") {
        return;
    }
    let daemon = Daemon::builder()
        .under("chmod 755 $DIR")
        .conf(&format!(
            "[program:db]\ncommand=sleep 1000\nstartsecs=0\nautostart=false\n\
             [program:web]\ncommand=sleep 1000\nstartsecs=0\nautostart=false\ndepends_on=db\noperate={BOB}\n"
        ))
        .start();
    for line in ["start web", "restart web"] {
        let answer = ask(&daemon, BOB, None, line);
        assert!(answer.starts_with("error not-permitted "), "{answer}");
    }
    assert_eq!(daemon.state_of("db"), "STOPPED");
    daemon.request_ok("start db");
    let answer = ask(&daemon, BOB, None, "start web");
    assert!(is_ok(&answer), "{answer}");
}

/// What somebody who watches or follows is sent until that is ended; `meanwhile` runs once something has come.
fn stream(daemon: &Daemon, uid: u32, line: &str, meanwhile: &dyn Fn()) -> String {
    const STREAM: &str = "my $s = IO::Socket::UNIX->new($ARGV[0]) or die $!; $s->autoflush(1); print $s \"$ARGV[1]\\n\"; \
                          while (<$s>) { print; open(my $f, '>', $ARGV[2]) or die $!; close $f; last if /^error/ }";
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).expect("for all");
    let sign = folder.path().join("came");
    let mut command = as_user(uid, None, "perl");
    command.args(["-MIO::Socket::UNIX", "-MIO::Handle", "-e", STREAM]).arg(daemon.socket()).arg(line).arg(&sign);
    let child = command.stdout(std::process::Stdio::piped()).spawn().expect("perl starts");
    eventually("something comes", || {
        daemon.request_ok("restart web");
        sign.exists().then_some(())
    });
    meanwhile();
    String::from_utf8(child.wait_with_output().expect("perl ends").stdout).expect("text")
}

#[test]
fn what_is_being_sent_ends_when_the_right_to_it_does() {
    if !can_be_others("rights that change") {
        return;
    }
    let daemon = with(&format!("observe={ALICE}"));
    daemon.wait_for_state("web", "RUNNING");
    for line in ["watch", "maintail follow"] {
        let seen = stream(&daemon, ALICE, line, &|| {
            rewrite(&daemon, &format!("observe={ALICE}"), "; nobody");
            daemon.request_ok("reload");
        });
        let end = format!("`{}` needs the right `observe`", line.split(' ').next().unwrap_or_default());
        assert!(
            seen.lines().last().is_some_and(|last| last.starts_with("error not-permitted ") && last.contains(&end)),
            "{seen}"
        );
        rewrite(&daemon, "; nobody", &format!("observe={ALICE}"));
        daemon.request_ok("reload");
        daemon.wait_for_state("web", "RUNNING");
    }
    // Of one program: until a pattern means another one, too.
    let seen = stream(&daemon, BOB, "watch we*", &|| {
        let conf = daemon.read("visor.conf") + "[program:wet]\ncommand=sleep 1000\n";
        std::fs::write(daemon.file("visor.conf"), conf).expect("the file");
        daemon.request_ok("update");
    });
    assert!(!seen.contains("name=wet") && seen.contains("error not-permitted "), "{seen}");
}

#[test]
fn socket_is_open_to_all_when_somebody_is_named_unless_its_mode_is_said() {
    let mode = |visor: &str, conf: &str| {
        let daemon = Daemon::builder().visor(visor).conf(conf).start();
        daemon.socket().metadata().expect("a socket").permissions().mode() & 0o7777
    };
    let plain = "[program:x]\ncommand=true\n";
    assert_eq!(mode("", plain), 0o700);
    assert_eq!(mode("observe=12001", plain), 0o666);
    assert_eq!(mode("", &format!("{plain}operate=12001\n")), 0o666);
    assert_eq!(mode("observe=12001\nsocket_mode=0770", plain), 0o770);
}

/// The daemon's own file with other lines in it.
fn rewrite(daemon: &Daemon, from: &str, to: &str) {
    let conf = daemon.read("visor.conf");
    assert!(conf.contains(from), "{conf}");
    std::fs::write(daemon.file("visor.conf"), conf.replace(from, to)).expect("the file");
}

#[test]
fn reload_opens_the_door_and_takes_rights_from_who_is_in() {
    if !can_be_others("rights that change") {
        return;
    }
    let daemon = Daemon::builder()
        .under("chmod 755 $DIR")
        .visor("; rights")
        .conf("[program:web]\ncommand=sleep 1000\nstartsecs=0\n")
        .start();
    assert!(ask(&daemon, ALICE, None, "state").contains("connect: Permission denied"));
    rewrite(&daemon, "; rights", "operate=12001");
    daemon.request_ok("reload");
    daemon.wait_for_state("web", "RUNNING");
    // One connection, before and after the next reload.
    let talk = "my $s = IO::Socket::UNIX->new($ARGV[0]) or die $!; $s->autoflush(1); my $one; \
                print $s \"stop web\\n\"; while (<$s>) { print; last unless /^ / } STDOUT->flush; \
                open(my $f, '>', $ARGV[1]) or die $!; close $f; \
                until (-e $ARGV[2]) { select(undef, undef, undef, 0.01) } \
                print $s \"start web\\n\"; shutdown($s, 1); print while <$s>";
    let shared = daemon.file("shared");
    std::fs::create_dir(&shared).expect("a directory");
    std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o777)).expect("for all");
    let mut command = as_user(ALICE, None, "perl");
    command.args(["-MIO::Socket::UNIX", "-MIO::Handle", "-e", talk]).arg(daemon.socket());
    command.arg(shared.join("stopped")).arg(shared.join("go")).stdout(std::process::Stdio::piped());
    let child = command.spawn().expect("perl starts");
    eventually("the first request is answered", || shared.join("stopped").exists().then_some(()));
    rewrite(&daemon, "operate=12001", "observe=12001");
    daemon.request_ok("reload");
    std::fs::write(shared.join("go"), "").expect("the sign to go on");
    let output = child.wait_with_output().expect("perl ends");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!(
            " name=web result=stopped\nok\nerror not-permitted `start` needs the right `operate`: uid {ALICE} has `observe`\n"
        )
    );
    rewrite(&daemon, "observe=12001", "; rights");
    daemon.request_ok("reload");
    assert_eq!(daemon.socket().metadata().expect("a socket").permissions().mode() & 0o7777, 0o700);
    assert!(ask(&daemon, ALICE, None, "state").contains("connect: Permission denied"));
}

#[test]
fn changes_are_in_the_log_with_who_asked_and_looks_are_not() {
    if !is_root("what root asks for") {
        return;
    }
    let daemon = Daemon::with(PROGRAMS);
    daemon.request_ok("status");
    daemon.request_ok("restart web");
    daemon.request_ok("reread");
    daemon.wait_for_log(": reread");
    let me = std::process::id();
    let said: Vec<String> = daemon.process().log().into_iter().filter(|line| line.contains(" by root")).collect();
    let endings = [
        format!("INFO operate by root (uid 0, pid {me}): restart web"),
        format!("INFO admin by root (uid 0, pid {me}): reread"),
    ];
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().zip(&endings).all(|(line, end)| line.ends_with(end)), "{said:?}");
}

#[test]
fn strangers_fill_no_log() {
    if !can_be_others("a stranger who comes again and again") {
        return;
    }
    let daemon = with("socket_mode=0666");
    let knock = "for (1..300) { my $s = IO::Socket::UNIX->new($ARGV[0]) or die $!; print $s \"state\\n\"; \
                 shutdown($s, 1); 1 while <$s> }";
    let mut command = as_user(EVE, None, "perl");
    command.args(["-MIO::Socket::UNIX", "-e", knock]).arg(daemon.socket());
    let output = run(command);
    assert!(output.status.success(), "{output:?}");
    let told = daemon.process().log().iter().filter(|line| line.contains("refused a control connection")).count();
    // Ten in ten seconds; a slow machine may take longer than that.
    assert!((10..100).contains(&told), "{told}");
}

#[test]
fn one_guest_keeps_nobody_else_out() {
    if !can_be_others("a guest with many connections") {
        return;
    }
    let daemon = with(&format!("observe={ALICE}, @{OPERATORS}"));
    let crowd = "my @all; my %ends; for (1..40) { my $s = IO::Socket::UNIX->new($ARGV[0]) or die $!; $s->autoflush(1); \
                 push @all, $s; print $s \"hello\\n\"; while (<$s>) { next if /^ /; /^(ok|error busy)/; $ends{$1}++; last } } \
                 print join(' ', map { \"$_=$ends{$_}\" } sort keys %ends), qq(\\n); STDOUT->flush; <STDIN>";
    let mut command = as_user(ALICE, None, "perl");
    command.args(["-MIO::Socket::UNIX", "-MIO::Handle", "-e", crowd]).arg(daemon.socket());
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().expect("perl starts");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("its output");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("a line");
    assert_eq!(line, "error busy=8 ok=32\n");
    assert!(is_ok(&ask(&daemon, EVE, Some(OPERATORS), "status")), "another guest gets in");
    daemon.request_ok("state");
    drop(child.stdin.take());
    child.wait().expect("perl ends");
}

#[test]
fn people_who_do_not_exist_are_mistakes_with_their_line() {
    let daemon = Daemon::builder()
        .visor("observe=no-such-user-here\noperate=@no-such-group-here\nadmin=-5")
        .conf("[program:x]\ncommand=true\noperate=@\n")
        .spawn();
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(2));
    let errors = daemon.process().errors();
    for (key, reason) in [
        ("observe", "Invalid user name no-such-user-here"),
        ("operate", "Invalid group name no-such-group-here"),
        ("admin", "Invalid user id -5"),
        ("operate", "Invalid group name "),
    ] {
        let line = errors.lines().find(|line| line.contains(reason) && line.contains(key));
        assert!(line.is_some_and(|line| line.contains("visor.conf:")), "{reason}: {errors}");
    }
}
