//! Where the environment of programs comes from: files, directories, secrets, users, templates.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::stat::Mode;

use super::kernel::is_root;
use super::support::{Daemon, VISOR, clean_command, run};

/// A program that writes its environment to a file of its name, and stays.
fn shows(name: &str, keys: &str) -> String {
    let command =
        format!("command=sh -c \"env >$DIR/{name}.new; mv $DIR/{name}.new $DIR/{name}.env; exec sleep 1000\"");
    format!("[program:{name}]\n{command}\nstartsecs=0\nautostart=false\n{keys}\n")
}

/// Starts a program and gives what it saw.
fn seen(daemon: &Daemon, name: &str) -> Vec<String> {
    let file = format!("{name}.env");
    let _ = fs::remove_file(daemon.file(&file));
    // Its first half fails when the program does not run.
    let reply = daemon.request(&format!("restart {name}"));
    assert!(reply.data.iter().any(|line| line.get("result").is_some_and(|it| it == "started")), "{reply:?}");
    let text = daemon.wait_for_file(&file, |_| true);
    text.lines().map(str::to_owned).collect()
}

fn has(all: &[String], lines: &[&str]) {
    for line in lines {
        assert!(all.iter().any(|it| it == line), "`{line}` in {all:?}");
    }
}

fn has_none(all: &[String], names: &[&str]) {
    for name in names {
        assert!(all.iter().all(|it| !it.starts_with(&format!("{name}="))), "`{name}` in {all:?}");
    }
}

#[test]
fn files_are_read_anew_at_each_start() {
    let keys = "env_file=$DIR/one, -$DIR/none, $DIR/two\nenv_dir=$DIR/vars\nsecret=TOKEN:$DIR/token\nenvironment=A=conf,B=conf";
    let daemon = Daemon::builder()
        .given("one", 0o600, "# c\nexport B='of one'\nC=one\n")
        .given("two", 0o600, "C=two\n")
        .given("token", 0o600, "s3cret\n")
        .under("mkdir $DIR/vars; echo 'd ' >$DIR/vars/D; : >$DIR/vars/LANG")
        .conf(&shows("x", keys))
        .start();
    let all = seen(&daemon, "x");
    has(&all, &["A=conf", "B=of one", "C=two", "D=d", "TOKEN=s3cret", "TZ=UTC", "SUPERVISOR_PROCESS_NAME=x"]);
    has_none(&all, &["LANG"]);
    fs::write(daemon.file("two"), "C=changed\n").expect("a file");
    fs::write(daemon.file("token"), "other").expect("a file");
    has(&seen(&daemon, "x"), &["B=of one", "C=changed", "TOKEN=other"]);
}

#[test]
fn secret_is_shown_nowhere() {
    const SECRET: &str = "hunter2-and-more";
    let daemon = Daemon::builder()
        .given("token", 0o600, SECRET)
        .supervisord("loglevel=blather")
        .conf(&shows("x", "secret=TOKEN:$DIR/token"))
        .start();
    has(&seen(&daemon, "x"), &[&format!("TOKEN={SECRET}")]);
    for request in ["status", "config", "config x", "why x", "metrics", "reread", "tail x", "maintail 0"] {
        let reply = format!("{:?}", daemon.request_ok(request));
        assert!(!reply.contains(SECRET), "{request}: {reply}");
    }
    assert!(daemon.svc_ok(&["config", "x"]).contains(&format!("secret.TOKEN=\"{}\"", daemon.file("token").display())));
    let mut check = clean_command(VISOR);
    check.args(["check", "--dump", "-c"]).arg(daemon.file("visor.conf"));
    let dump = String::from_utf8(run(check).stdout).expect("text");
    assert!(dump.contains("secret.TOKEN") && !dump.contains(SECRET), "{dump}");
    assert!(!daemon.process().log().join("\n").contains(SECRET));
    let own = fs::read(format!("/proc/{}/environ", daemon.pid())).expect("its environment");
    assert!(!String::from_utf8_lossy(&own).contains(SECRET));
}

#[test]
fn what_cannot_be_read_fails_the_start_with_its_cause_and_heals() {
    let keys = "startretries=0\nenv_file=$DIR/file";
    let daemon = Daemon::builder().given("file", 0o600, "A=1\nwhat is s3cret\n").conf(&shows("x", keys)).start();
    assert_eq!(daemon.request("start x").data[0]["error"], "spawn-error");
    let wrong = format!("cannot read env_file `{}`, line 2: this is not `NAME=value`", daemon.file("file").display());
    daemon.wait_for_log(&format!("spawnerr: {wrong}"));
    assert!(daemon.svc_ok(&["why", "x"]).contains(&wrong));
    fs::remove_file(daemon.file("file")).expect("it goes");
    assert!(!daemon.request("start x").is_ok());
    daemon.wait_for_log("/file`: No such file or directory");
    // Nobody writes into it: who waits for that waits for ever.
    nix::unistd::mkfifo(&daemon.file("file"), Mode::S_IRWXU).expect("a fifo");
    assert!(!daemon.request("start x").is_ok());
    daemon.wait_for_log("/file`: it is not a regular file");
    fs::remove_file(daemon.file("file")).expect("it goes");
    fs::write(daemon.file("file"), "A=2").expect("a file");
    has(&seen(&daemon, "x"), &["A=2"]);
}

#[test]
fn command_is_found_in_the_path_of_a_file() {
    let daemon = Daemon::builder()
        .given("only-here", 0o755, "#!/bin/sh\necho found me\n")
        .given("env", 0o600, "PATH=.:/bin:/usr/bin\n")
        .conf("[program:x]\ncommand=only-here\nenv_file=$DIR/env\nstartsecs=0\nautorestart=false\n")
        .start();
    fs::set_permissions(daemon.file("only-here"), fs::Permissions::from_mode(0o755)).expect("it may be run");
    daemon.wait_for_log("found me");
}

#[test]
fn cleared_environment_and_that_of_the_user() {
    if !is_root("a program of another user") {
        return;
    }
    let conf = [
        shows("plain", ""),
        shows("clear", "clear_env=true\nenvironment=OWN=1"),
        shows("own", "user_env=true\nclear_env=true"),
        shows("over", "user_env=true\nenvironment=HOME=/elsewhere"),
    ];
    let daemon = Daemon::builder().env("HOME", "/of-visor").env("OURS", "1").conf(&conf.concat()).start();
    has(&seen(&daemon, "plain"), &["HOME=/of-visor", "OURS=1"]);
    let all = seen(&daemon, "clear");
    has(&all, &["OWN=1", "SUPERVISOR_ENABLED=1"]);
    has_none(&all, &["HOME", "OURS", "TZ"]);
    let root = nix::unistd::User::from_uid(0.into()).ok().flatten().expect("root");
    let home = format!("HOME={}", root.dir.display());
    has(&seen(&daemon, "own"), &["USER=root", "LOGNAME=root", &home, &format!("SHELL={}", root.shell.display())]);
    has(&seen(&daemon, "over"), &["USER=root", "HOME=/elsewhere", "OURS=1"]);
}

#[test]
fn templates_reach_programs_and_config_shows_where_from() {
    let conf = format!(
        "[program-default]\nstopwaitsecs=3\nenvironment=A=all,B=all\n[template:base]\nextends=deeper\nenvironment=B=\"%(program_name)s\"\n\
         [template:deeper]\nstopwaitsecs=2\nstartretries=7\n{}",
        shows("x", "extends=base\nenvironment=C=own\nstderr_logfile=NONE")
    );
    let daemon = Daemon::with(&conf);
    has(&seen(&daemon, "x"), &["A=all", "B=x", "C=own"]);
    let line = |text: &str, start: &str| {
        let line = text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start} in {text}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let file = daemon.file("visor.conf");
    let place = |key: &str| {
        let text = fs::read_to_string(&file).expect("the configuration");
        let at = text.lines().position(|line| line.starts_with(key)).unwrap_or_else(|| panic!("{key} in {text}"));
        format!("{}:{}", file.display(), at + 1)
    };
    let text = daemon.svc_ok(&["config", "x"]);
    assert!(text.starts_with("[program:x]"), "{text}");
    assert_eq!(line(&text, "stopwaitsecs"), format!("stopwaitsecs=2 ; {} [template:deeper]", place("stopwaitsecs=2")));
    assert_eq!(line(&text, "startretries"), format!("startretries=7 ; {} [template:deeper]", place("startretries")));
    assert_eq!(line(&text, "startsecs"), format!("startsecs=0 ; {}", place("startsecs")));
    assert_eq!(line(&text, "priority"), "priority=999 ; default");
    let shown = "(not shown)";
    assert_eq!(
        line(&text, "environment.A"),
        format!("environment.A={shown} ; {} [program-default]", place("environment=A"))
    );
    assert_eq!(
        line(&text, "environment.B"),
        format!("environment.B={shown} ; {} [template:base]", place("environment=B"))
    );
    // What the file says now, beside what runs.
    daemon.rewrite_conf(&conf.replace("stopwaitsecs=2", "stopwaitsecs=5"));
    assert_eq!(
        line(&daemon.svc_ok(&["config", "x"]), "stopwaitsecs"),
        format!("stopwaitsecs=5 ; {} [template:deeper], runs with 2", place("stopwaitsecs=5"))
    );
    assert_eq!(daemon.request("config nobody").error_code(), "bad-name");
    daemon.rewrite_conf("[program:x]\nextends=nothing\n");
    let reply = daemon.request("config x");
    assert_eq!(reply.error_code(), "cannot-reread");
    assert!(reply.end.contains("there is no [template:nothing]"), "{reply:?}");
}
