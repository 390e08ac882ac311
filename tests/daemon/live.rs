//! New settings for what runs: what holds at once, what needs another process, and how many there are of a program.

use super::kernel::exists;
use super::support::{Daemon, eventually};

fn proc(pid: i32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a file of a living process")
}

fn limit(pid: i32, name: &str) -> Vec<String> {
    let limits = proc(pid, "limits");
    let line = limits.lines().find(|line| line.starts_with(name)).expect("a limit");
    line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect()
}

#[test]
fn update_applies_what_it_can_to_who_runs_and_restarts_only_who_must() {
    let web = "[program:web]\ncommand=sh -c 'trap \"exit 0\" USR1; while :; do sleep 0.05; done'\nstartsecs=0\n";
    let other = "[program:a]\ncommand=sleep 1000\nstartsecs=0\n[program:b]\ncommand=sleep 1000\nstartsecs=0\n";
    let daemon = Daemon::with(&format!("{web}{other}[group:g]\nprograms=a,b\n"));
    daemon.wait_for_state("web", "RUNNING");
    daemon.wait_for_state("g:b", "RUNNING");
    let pids = || ["web", "g:a", "g:b"].map(|name| daemon.pid_of(name));
    let before = pids();
    let b = "[program:b]\ncommand=sleep 1001\nstartsecs=0\n";
    let changed = other.replace("[program:b]\ncommand=sleep 1000\nstartsecs=0\n", b);
    daemon.rewrite_conf(&format!(
        "{web}stopsignal=USR1\nstopwaitsecs=60\n{changed}[group:g]\nprograms=a,b\npriority=5\n"
    ));
    assert_eq!(daemon.svc_ok(&["update", "web"]), "web: updated process group\n");
    assert_eq!(pids(), before);
    assert_eq!(daemon.svc_ok(&["update"]), "g: stopped\ng: updated process group\n");
    let after = pids();
    assert_eq!(after[..2], before[..2], "who need not restart runs on");
    assert!(after[2] != before[2] && !exists(before[2]));
    // The new signal stops it; the old one would not be expected.
    daemon.svc_ok(&["stop", "web"]);
    daemon.wait_for_log("with signal SIGUSR1");
    daemon.wait_for_log("stopped: web (exit status 0)");
}

#[test]
fn limits_that_change_are_those_of_the_process_that_runs() {
    let conf = "[program:x]\ncommand=sleep 1000\nstartsecs=0\nrlimit_nofile=100:200\noom_score_adj=500\n";
    let daemon = Daemon::with(conf);
    daemon.wait_for_state("x", "RUNNING");
    let pid = daemon.pid_of("x");
    assert_eq!(limit(pid, "Max open files"), ["100", "200"]);
    daemon.rewrite_conf(&conf.replace("100:200", "50:150\nrlimit_core=0").replace("adj=500", "adj=600"));
    daemon.request_ok("update");
    assert_eq!(daemon.pid_of("x"), pid);
    assert_eq!(limit(pid, "Max open files"), ["50", "150"]);
    assert_eq!(limit(pid, "Max core file size"), ["0", "0"]);
    assert_eq!(proc(pid, "oom_score_adj").trim(), "600");
    // Nobody knows what it was before.
    daemon.rewrite_conf("[program:x]\ncommand=sleep 1000\nstartsecs=0\n");
    daemon.request_ok("update");
    assert_ne!(daemon.pid_of("x"), pid);
}

#[test]
fn log_that_is_to_be_smaller_is_rotated_earlier_without_a_restart() {
    let conf = "[program:x]\ncommand=sh -c 'while read -r line; do echo \"$line\"; done'\nstartsecs=0\n\
                stdout_logfile=$DIR/x.log\nstdout_logfile_maxbytes=1MB\n";
    let daemon = Daemon::with(conf);
    daemon.wait_for_state("x", "RUNNING");
    let pid = daemon.pid_of("x");
    daemon.request_ok(&format!("send x {}%0A", "y".repeat(2000)));
    daemon.wait_for_file("x.log", |text| text.len() == 2001);
    daemon.rewrite_conf(&conf.replace("=1MB", "=1000\nstdout_logfile_backups=1"));
    daemon.request_ok("update");
    daemon.request_ok("send x z%0A");
    eventually("it is rotated", || daemon.file("x.log.1").exists().then_some(()));
    assert_eq!(daemon.read("x.log.1").len(), 2003);
    assert_eq!(daemon.pid_of("x"), pid);
}

const MANY: &str = "[program:web]\ncommand=sleep 100%(process_num)d\nprocess_name=%(program_name)s_%(process_num)02d\n\
                    numprocs=2\nstartsecs=0\n[program:one]\ncommand=sleep 1000\nstartsecs=0\n";

fn names(daemon: &Daemon) -> Vec<String> {
    daemon.request_ok("status").data.iter().map(|line| line["name"].clone()).collect()
}

#[test]
fn scale_starts_and_stops_the_highest_until_the_next_update() {
    let daemon = Daemon::with(MANY);
    daemon.wait_for_state("web:web_01", "RUNNING");
    let before = ["web:web_00", "web:web_01", "one"].map(|name| daemon.pid_of(name));
    assert_eq!(daemon.svc_ok(&["scale", "web=4"]), "web:web_02: added\nweb:web_03: added\n");
    daemon.wait_for_state("web:web_03", "RUNNING");
    let third = daemon.pid_of("web:web_03");
    let command = std::fs::read(format!("/proc/{third}/cmdline")).expect("a living process");
    assert_eq!(command, b"sleep\x001003\0", "it has its own number");
    assert_eq!(["web:web_00", "web:web_01", "one"].map(|name| daemon.pid_of(name)), before);
    assert_eq!(daemon.svc_ok(&["scale", "web=1"]), "web:web_01: removed\nweb:web_02: removed\nweb:web_03: removed\n");
    assert!(!exists(third) && !exists(before[1]));
    assert_eq!(names(&daemon), ["one", "web:web_00"]);
    assert_eq!(daemon.svc_ok(&["update"]), "web: updated process group\n");
    daemon.wait_for_state("web:web_01", "RUNNING");
    assert_eq!(daemon.pid_of("web:web_00"), before[0]);
    assert_eq!(daemon.request_ok("update").data, []);
}

#[test]
fn scale_of_what_has_no_numbers_or_is_not_there_is_refused() {
    let daemon = Daemon::with(MANY);
    let reply = daemon.request("scale one 2");
    assert_eq!(reply.error_code(), "cannot-reread");
    assert!(reply.end.contains("must be present within process_name when numprocs > 1"), "{reply:?}");
    assert_eq!(daemon.request("scale nosuch 2").error_code(), "bad-name");
    assert_eq!(daemon.request("scale web 100000").error_code(), "cannot-reread");
    assert_eq!(names(&daemon), ["one", "web:web_00", "web:web_01"]);
}

#[test]
fn dry_run_tells_per_key_what_would_happen_and_does_nothing() {
    let daemon = Daemon::with("[program:web]\ncommand=sleep 1000\nstartsecs=0\n[program:old]\ncommand=sleep 1000\n");
    daemon.wait_for_state("web", "RUNNING");
    let pid = daemon.pid_of("web");
    daemon.rewrite_conf(
        "[program:web]\ncommand=sleep 1001\nstartsecs=0\nstopwaitsecs=7\npriority=5\nenvironment=TOKEN=hunter2\n\
         [program:new]\ncommand=sleep 1000\n",
    );
    let expected = [
        "new                       added",
        "old                       removed",
        "web:*  priority           applied live   999 -> 5",
        "web    command            needs restart  \"sleep 1000\" -> \"sleep 1001\"",
        "web    priority           applied live   999 -> 5",
        "web    stopwaitsecs       applied live   10 -> 7",
        "web    environment.TOKEN  needs restart  unset -> (not shown)",
        "",
    ];
    assert_eq!(daemon.svc_ok(&["update", "--dry-run"]), expected.join("\n"));
    assert_eq!((daemon.pid_of("web"), names(&daemon)), (pid, vec!["old".to_owned(), "web".to_owned()]));
    assert_eq!(daemon.request("add new").error_code(), "bad-name", "what was read holds for nothing");
    daemon.request_ok("update");
    assert_eq!(daemon.svc_ok(&["update", "--dry-run"]), "No config updates to processes\n");
}
