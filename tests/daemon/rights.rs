//! What a program may use and do, as the kernel has it: limits, priorities, capabilities, cgroups, and `kill_tree`.

use std::path::PathBuf;
use std::process::Command;

use super::kernel::{exists, is_installed, is_root, state, status_line, wait_gone};
use super::support::{Daemon, can_mount, eventually, left_out};

/// A user that no machine has.
const USER: u32 = 12345;
/// Leaves a daemon of a session of its own, whose parents are gone, then a child of another session, and stays. Their pids are in files.
/// `$1` is executed before the daemon is.
const ESCAPES: &str = "#!/bin/sh
(setsid sh -c \"$1 sh -c 'echo \\$\\$ >$DIR/daemon.new; mv $DIR/daemon.new $DIR/daemon; exec sleep 1000' & exec true\" &)
setsid sh -c 'echo $$ >$DIR/other.new; mv $DIR/other.new $DIR/other; exec sleep 1000' &
exec sleep 1000
";
/// How a visor is started that finds no cgroup.
const NO_CGROUPS: &str = "umount -a -t cgroup2";

fn proc(pid: i32, file: &str) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("a file of a living process")
}

/// The pid of a program that has executed its command.
fn running(daemon: &Daemon, name: &str) -> i32 {
    daemon.wait_for_state(name, "RUNNING");
    daemon.pid_of(name)
}

fn limit(pid: i32, name: &str) -> Vec<String> {
    let limits = proc(pid, "limits");
    let line = limits.lines().find(|line| line.starts_with(name)).expect("a limit");
    line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect()
}

const LIMITED: &str = "[program:x]\ncommand=sleep 1000\nstartsecs=0\nrlimit_nofile=100:200\nrlimit_core=0\nrlimit_fsize=1MB:unlimited\n\
                       rlimit_stack=1MB:2MB\nrlimit_nproc=50:60\nrlimit_cpu=600\nnice=19\noom_score_adj=500\nioprio=best-effort:6\nno_new_privs=true\n";

fn assert_limited(pid: i32) {
    assert_eq!(limit(pid, "Max open files"), ["100", "200"]);
    assert_eq!(limit(pid, "Max core file size"), ["0", "0"]);
    assert_eq!(limit(pid, "Max file size"), ["1048576", "unlimited"]);
    assert_eq!(limit(pid, "Max stack size"), ["1048576", "2097152"]);
    assert_eq!(limit(pid, "Max processes"), ["50", "60"]);
    assert_eq!(limit(pid, "Max cpu time"), ["600", "600"]);
    assert_eq!(proc(pid, "oom_score_adj").trim(), "500");
    assert_eq!(proc(pid, "stat").rsplit_once(')').expect("a command").1.split(' ').nth(17), Some("19"), "nice");
    assert_eq!(status_line(pid, "NoNewPrivs"), "1");
    if is_installed("ionice", "the priority of disk accesses") {
        let output = Command::new("ionice").args(["-p", &pid.to_string()]).output().expect("ionice runs");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "best-effort: prio 6");
    }
}

#[test]
fn limits_are_those_of_the_child_and_not_of_its_neighbour() {
    let daemon = Daemon::with(&format!("{LIMITED}[program:y]\ncommand=sleep 1000\nstartsecs=0\n"));
    assert_limited(running(&daemon, "x"));
    let (neighbour, visor) = (running(&daemon, "y"), daemon.pid());
    assert_eq!(proc(neighbour, "limits"), proc(visor, "limits"));
    assert_eq!(proc(neighbour, "oom_score_adj"), proc(visor, "oom_score_adj"));
    assert_eq!(status_line(neighbour, "NoNewPrivs"), "0");
}

#[test]
fn limits_that_lower_need_no_root() {
    if !is_root("limits of a user's own visor") {
        return;
    }
    let daemon = Daemon::builder().uid(USER).conf(LIMITED).start();
    assert_limited(running(&daemon, "x"));
}

#[test]
fn limit_that_is_not_granted_is_a_failed_start_with_its_name() {
    if !is_root("limits that another user may not raise") {
        return;
    }
    let daemon = Daemon::builder()
        .uid(USER)
        .under("ulimit -n 500")
        .conf(
            "[program:a]\ncommand=true\nstartretries=0\nrlimit_nofile=1000\n\
             [program:b]\ncommand=true\nstartretries=0\nnice=-5\n\
             [program:c]\ncommand=true\nstartretries=0\nioprio=realtime:0\n\
             [program:d]\ncommand=true\nstartretries=0\noom_score_adj=-1000\n\
             [program:e]\ncommand=true\nstartretries=0\ncapabilities=chown\nno_new_privs=true\n",
        )
        .start();
    for (name, reason) in [
        ("a", "couldn't set rlimit_nofile: EPERM"),
        ("b", "couldn't set nice: EACCES"),
        ("c", "couldn't set ioprio: EPERM"),
        ("d", "couldn't set oom_score_adj: EACCES"),
        ("e", "couldn't set capabilities: EPERM"),
    ] {
        daemon.wait_for_state(name, "FATAL");
        let why = daemon.svc_ok(&["why", name]);
        assert!(why.contains(reason), "{name}: {why}");
    }
}

#[test]
fn capabilities_stay_with_another_user_and_all_others_are_gone_for_good() {
    if !is_root("capabilities of another user's program") {
        return;
    }
    let daemon = Daemon::with(&format!(
        "[program:x]\ncommand=sleep 1000\nstartsecs=0\nuser={USER}\ncapabilities=CAP_NET_BIND_SERVICE, chown\n\
         [program:none]\ncommand=sleep 1000\nstartsecs=0\ncapabilities=none\n\
         [program:root]\ncommand=sh -c 'exec sleep 1000'\nstartsecs=0\ncapabilities=kill\n"
    ));
    let sets = |pid| ["Prm", "Eff", "Bnd", "Amb", "Inh"].map(|set| status_line(pid, &format!("Cap{set}")));
    let [x, none, root] = ["x", "none", "root"].map(|name| running(&daemon, name));
    assert_eq!(status_line(x, "Uid").split_whitespace().next(), Some("12345"));
    assert_eq!(sets(x), ["0000000000000401"; 5]);
    assert_eq!(sets(none), ["0000000000000000"; 5]);
    // What root's shell executes has them, too, and no more.
    assert_eq!(sets(root), ["0000000000000020"; 5]);
}

#[test]
fn capabilities_none_as_a_user_needs_the_promise_never_to_gain_any() {
    if !is_root("capabilities of a user's own visor") {
        return;
    }
    let conf = "[program:x]\ncommand=sleep 1000\nstartsecs=0\nstartretries=0\ncapabilities=none\n\
                [program:y]\ncommand=sleep 1000\nstartsecs=0\ncapabilities=none\nno_new_privs=true\n";
    let daemon = Daemon::builder().uid(USER).conf(conf).start();
    let y = running(&daemon, "y");
    assert_eq!(
        (status_line(y, "CapPrm"), status_line(y, "NoNewPrivs")),
        ("0000000000000000".to_owned(), "1".to_owned())
    );
    daemon.wait_for_state("x", "FATAL");
    assert!(daemon.svc_ok(&["why", "x"]).contains("couldn't drop capabilities for good: EPERM"));
}

#[test]
fn wrong_limits_are_mistakes_with_their_line() {
    let daemon = Daemon::builder()
        .conf("[program:x]\ncommand=true\nnice=20\nrlimit_nofile=2:1\nioprio=fast\ncapabilities=magic\ncpu_max=50%%\nkill_tree=perhaps")
        .spawn();
    assert_eq!(daemon.wait_exit(super::support::TIMEOUT).code(), Some(2));
    let errors = daemon.process().errors();
    for (key, reason) in [
        ("nice", "20 is not between -20 and 19"),
        ("rlimit_nofile", "in `2:1` the soft limit is above the hard one"),
        ("ioprio", "`fast` is none of `idle`"),
        ("capabilities", "`magic` is no capability"),
        ("cpu_max", "`50%` is neither a number of CPUs"),
        ("kill_tree", "not a valid boolean value: 'perhaps'"),
    ] {
        let line = errors.lines().find(|line| line.contains(reason));
        assert!(line.is_some_and(|line| line.contains(key) && line.contains("visor.conf:")), "{key}: {errors}");
    }
}

#[test]
fn limits_by_cgroup_without_one_are_one_warning_and_no_failure() {
    if !can_mount("cgroup limits where there is no cgroup") {
        return;
    }
    let daemon = Daemon::builder()
        .under_mounts(NO_CGROUPS)
        .conf(
            "[program:x]\ncommand=sleep 1000\nstartsecs=0\nmemory_max=64MB\npids_max=10\n\
             [program:y]\ncommand=sleep 1000\nstartsecs=0\ncpu_max=0.5\n",
        )
        .start();
    running(&daemon, "x");
    running(&daemon, "y");
    let log = daemon.process().log();
    let warnings: Vec<&String> = log.iter().filter(|line| line.contains("have no effect")).collect();
    assert_eq!(warnings.len(), 1, "{log:?}");
    let text =
        "WARN `memory_max`, `pids_max` of `x` and the like of other programs have no effect: no cgroup of version 2";
    assert!(warnings[0].contains(text), "{warnings:?}");
}

/// Both pids of [`ESCAPES`].
fn escaped(daemon: &Daemon) -> [i32; 2] {
    ["daemon", "other"]
        .map(|name| daemon.wait_for_file(name, |text| text.ends_with('\n')).trim().parse().expect("a pid"))
}

fn escaping(mark: &str) -> String {
    format!("[program:x]\ncommand=$DIR/escapes.sh '{mark}'\nstartsecs=0\nkill_tree=true\n")
}

fn assert_stops_whole(daemon: &Daemon) {
    running(daemon, "x");
    let pids = escaped(daemon);
    eventually("the daemon has lost its parents", || {
        (super::kernel::parent(pids[0]) == Some(daemon.pid())).then_some(())
    });
    daemon.svc_ok(&["stop", "x"]);
    let dead = |pid: &i32| state(*pid).is_none_or(|state| state == 'Z');
    assert!(pids.iter().all(dead), "stopped means gone");
    pids.into_iter().for_each(wait_gone);
}

#[test]
fn stop_with_kill_tree_ends_who_left_session_and_parents() {
    let daemon = Daemon::builder().given("escapes.sh", 0o755, ESCAPES).conf(&escaping("")).start();
    assert_stops_whole(&daemon);
}

#[test]
fn stop_without_kill_tree_leaves_who_left() {
    let conf = escaping("").replace("kill_tree=true", "kill_tree=false");
    let daemon = Daemon::builder().given("escapes.sh", 0o755, ESCAPES).conf(&conf).start();
    running(&daemon, "x");
    let pids = escaped(&daemon);
    daemon.svc_ok(&["stop", "x"]);
    assert!(pids.iter().all(|pid| exists(*pid)));
}

#[test]
fn stop_with_kill_tree_and_no_cgroup_finds_the_daemon_by_its_mark() {
    if !can_mount("kill_tree where there is no cgroup") {
        return;
    }
    let conf = format!("{}user={USER}\n", escaping(""));
    let daemon = Daemon::builder()
        .under_mounts(&format!("chmod 777 $DIR; {NO_CGROUPS}"))
        .given("escapes.sh", 0o755, ESCAPES)
        .conf(&conf)
        .start();
    assert_stops_whole(&daemon);
}

#[test]
fn stop_with_kill_tree_as_a_user_finds_the_daemon() {
    if !is_root("kill_tree of a user's own visor") {
        return;
    }
    let daemon = Daemon::builder().uid(USER).given("escapes.sh", 0o755, ESCAPES).conf(&escaping("")).start();
    assert_stops_whole(&daemon);
}

#[test]
fn stop_with_kill_tree_kills_a_deaf_daemon_when_patience_is_over() {
    let conf = format!("{}stopwaitsecs=1\n", escaping("trap \"\" TERM;"));
    let daemon = Daemon::builder().given("escapes.sh", 0o755, ESCAPES).conf(&conf).start();
    assert_stops_whole(&daemon);
    daemon.wait_for_log("with SIGKILL");
}

#[test]
fn crash_with_kill_tree_starts_again_when_what_was_left_is_gone() {
    let script = "#!/bin/sh
if [ -s $DIR/daemon ]; then
    kill -0 $(cat $DIR/daemon) 2>/dev/null && echo alive >>$DIR/lives || echo gone >>$DIR/lives
    exec sleep 1000
fi
(setsid sh -c \"trap '' TERM; sh -c 'echo \\$\\$ >$DIR/daemon.new; mv $DIR/daemon.new $DIR/daemon; exec sleep 1000' & exec true\" &)
until [ -s $DIR/daemon ]; do sleep 0.01; done
exit 3
";
    let crash = |prefix: Option<&str>| {
        let conf = "[program:x]\ncommand=$DIR/crashes.sh\nstartsecs=0\nautorestart=true\nkill_tree=true\n";
        let builder = Daemon::builder().given("crashes.sh", 0o755, script).conf(conf);
        let daemon = match prefix {
            Some(shell) => builder.under_mounts(shell).start(),
            None => builder.start(),
        };
        assert_eq!(daemon.wait_for_file("lives", |text| text.ends_with('\n')), "gone\n");
        wait_gone(daemon.read("daemon").trim().parse().expect("a pid"));
        running(&daemon, "x");
    };
    crash(None);
    if can_mount("kill_tree after a crash where there is no cgroup") {
        crash(Some(NO_CGROUPS));
    }
}

/// Where this machine has a cgroup of version 2 that we may make others in.
fn own_cgroup(what: &str) -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let place = mounts
        .lines()
        .find_map(|line| line.contains(" - cgroup2 ").then(|| line.split(' ').nth(4).map(str::to_owned)).flatten());
    let ours = std::fs::read_to_string("/proc/self/cgroup").expect("our cgroups");
    let path = ours.lines().find_map(|line| line.strip_prefix("0::/"));
    let found = place.zip(path).map(|(place, path)| PathBuf::from(place).join(path));
    let writable = found.filter(|path| {
        let probe = path.join(format!("visor-test-{}", std::process::id()));
        std::fs::create_dir(&probe).and_then(|()| std::fs::remove_dir(&probe)).is_ok()
    });
    if writable.is_none() {
        left_out(&format!("{what}: no cgroup of version 2 that can be written"));
    }
    writable
}

#[test]
fn cgroup_of_a_program_is_there_while_it_runs_and_gone_after() {
    if !is_root("cgroups of programs") || own_cgroup("cgroups of programs").is_none() {
        return;
    }
    let daemon = Daemon::builder().given("escapes.sh", 0o755, ESCAPES).conf(&escaping("")).start();
    let pid = running(&daemon, "x");
    let group = |pid| proc(pid, "cgroup").lines().find_map(|line| line.strip_prefix("0::").map(str::to_owned));
    let path = group(pid).expect("a cgroup");
    assert!(path.contains("/visor:x@"), "{path}");
    assert_eq!(group(escaped(&daemon)[0]), Some(path.clone()), "its descendants are in it");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
    let place = mounts.lines().find(|line| line.contains(" - cgroup2 ")).and_then(|line| line.split(' ').nth(4));
    let directory = PathBuf::from(format!("{}{path}", place.expect("a mount")));
    assert!(directory.is_dir());
    daemon.svc_ok(&["stop", "x"]);
    eventually("the cgroup is removed", || (!directory.exists()).then_some(()));
    daemon.svc_ok(&["start", "x"]);
    assert!(directory.is_dir());
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(super::support::TIMEOUT).code(), Some(0));
    assert!(!directory.exists(), "nothing is left of it when visor has left");
}

#[test]
fn memory_pids_and_cpu_are_limited_where_the_controllers_are_delegated() {
    let what = "memory_max, pids_max, cpu_max";
    let Some(own) = own_cgroup(what) else { return };
    let controllers = std::fs::read_to_string(own.join("cgroup.controllers")).unwrap_or_default();
    if !["memory", "pids", "cpu"].iter().all(|name| controllers.split_whitespace().any(|word| word == *name)) {
        left_out(&format!("{what}: the controllers here are `{}`", controllers.trim()));
        return;
    }
    let daemon =
        Daemon::with("[program:x]\ncommand=sleep 1000\nstartsecs=0\nmemory_max=64MB\npids_max=10\ncpu_max=0.5\n");
    let pid = running(&daemon, "x");
    let path = proc(pid, "cgroup").lines().find_map(|line| line.strip_prefix("0::/").map(str::to_owned)).expect("one");
    let name = PathBuf::from(path);
    let directory = own.join(name.file_name().expect("a name"));
    let value = |file: &str| std::fs::read_to_string(directory.join(file)).expect("a limit").trim().to_owned();
    assert_eq!(["memory.max", "pids.max", "cpu.max"].map(value), ["67108864", "10", "50000 100000"]);
}
