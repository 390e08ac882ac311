//! Programs with a schedule: when they run, what is shown of that, what a run does that is due while the one before goes on.
//!
//! No test sets the clock of the machine: what happens then is tested beside the code, where it is an input.

use super::support::{Daemon, TIMEOUT, VISOR, clean_command, eventually, left_out, run};

const RUNS: &str = "command=sh -c 'echo run >> $DIR/runs'\n";
/// Runs until it is told to end.
const WAITS: &str =
    "command=sh -c 'echo run >> $DIR/runs; while [ ! -e $DIR/go ]; do sleep 0.02; done'\nstopwaitsecs=5\n";

fn runs(daemon: &Daemon, count: usize) {
    daemon.wait_for_file("runs", |text| text.lines().count() >= count);
}

fn status(daemon: &Daemon, name: &str, key: &str) -> Option<String> {
    daemon.request_ok(&format!("status {name}")).data[0].get(key).cloned()
}

#[test]
fn every_second_runs_again_and_again_and_each_run_is_in_the_log() {
    let daemon = Daemon::with(&format!("[program:tick]\n{RUNS}schedule=every 1s\n"));
    assert_eq!(daemon.state_of("tick"), "STOPPED");
    runs(&daemon, 3);
    assert!(daemon.process().log().iter().filter(|line| line.contains("tick: scheduled run")).count() >= 3);
    daemon.wait_for_state("tick", "EXITED");
}

#[test]
fn cron_schedule_shows_its_next_run_and_a_program_without_one_shows_none() {
    let conf =
        format!("[program:yearly]\n{RUNS}schedule=@yearly\nschedule_timezone=UTC\n[program:web]\ncommand=sleep 1000\n");
    let daemon = Daemon::with(&conf);
    let (next, now) = (status(&daemon, "yearly", "next"), status(&daemon, "yearly", "now"));
    let [next, now] = [next, now].map(|text| text.expect("a time").parse::<u64>().expect("a number"));
    assert!(next > now && next < now + 367 * 86_400 && next % 86_400 == 0, "{next} {now}");
    let screen = daemon.svc(&["status"]).stdout;
    let screen = String::from_utf8_lossy(&screen);
    assert!(screen.lines().any(|line| line.ends_with("STOPPED   Not started, next Jan 01 12:00 AM")), "{screen}");
    let why = daemon.svc_ok(&["why", "yearly"]);
    assert!(why.contains("it waits for its time; by its schedule `@yearly` it is due in"), "{why}");
    assert_eq!(status(&daemon, "web", "next"), None);
    let json = String::from_utf8_lossy(&daemon.svc(&["status", "--json"]).stdout).into_owned();
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let next_of =
        |name: &str| json.as_array().and_then(|all| all.iter().find(|row| row["name"] == name))?["next"].as_u64();
    assert_eq!((next_of("yearly"), next_of("web")), (Some(next), None));
}

#[test]
fn cron_schedule_runs_when_the_wall_clock_says_so() {
    // The next whole minute comes within one: the longest wait of these tests.
    let daemon = Daemon::with(&format!("[program:job]\n{RUNS}schedule=* * * * *\n"));
    let next: u64 = status(&daemon, "job", "next").expect("a time").parse().expect("a number");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(65) + TIMEOUT;
    while status(&daemon, "job", "start").as_deref() == Some("0") {
        assert!(std::time::Instant::now() < deadline, "it runs within a minute");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let start: u64 = status(&daemon, "job", "start").expect("a time").parse().expect("a number");
    assert!(start >= next && start <= next + 30, "due at {next}, started at {start}");
    runs(&daemon, 1);
    let after: u64 = status(&daemon, "job", "next").expect("a time").parse().expect("a number");
    assert!(after > start && after.is_multiple_of(60));
}

#[test]
fn run_that_is_due_too_early_is_skipped() {
    let daemon = Daemon::with(&format!("[program:slow]\n{WAITS}schedule=every 1s\n"));
    daemon.wait_for_log("slow: scheduled run skipped: still running");
    assert_eq!(daemon.read("runs"), "run\n");
    let description = status(&daemon, "slow", "description").expect("a description");
    assert!(description.contains("uptime") && description.contains(", next "), "{description}");
    std::fs::write(daemon.file("go"), "").expect("the sign to go on");
    runs(&daemon, 2);
}

#[test]
fn run_that_is_due_too_early_waits_for_the_end_of_the_one_before() {
    let daemon = Daemon::with(&format!("[program:slow]\n{WAITS}schedule=every 1s\nschedule_overlap=queue\n"));
    daemon.wait_for_log("slow: scheduled run waits: still running");
    daemon.wait_for_log("slow: scheduled run skipped: another one waits already");
    std::fs::write(daemon.file("go"), "").expect("the sign to go on");
    daemon.wait_for_log("slow: scheduled run that waited");
    runs(&daemon, 2);
}

#[test]
fn run_that_is_due_takes_the_place_of_the_one_before() {
    let daemon = Daemon::with(&format!("[program:slow]\n{WAITS}schedule=every 1s\nschedule_overlap=replace\n"));
    runs(&daemon, 1);
    daemon.wait_for_state("slow", "RUNNING");
    let first = daemon.pid_of("slow");
    daemon.wait_for_log("slow: scheduled run: the one before is stopped for it");
    runs(&daemon, 2);
    assert!(!super::kernel::exists(first));
}

#[test]
fn stop_ends_the_run_and_the_schedule_goes_on() {
    let daemon = Daemon::with(&format!("[program:slow]\n{WAITS}schedule=every 2s\n"));
    runs(&daemon, 1);
    daemon.wait_for_state("slow", "RUNNING");
    daemon.request_ok("stop slow");
    assert_eq!(daemon.state_of("slow"), "STOPPED");
    runs(&daemon, 2);
}

#[test]
fn autostart_runs_it_with_visor_too() {
    let daemon = Daemon::with(&format!("[program:job]\n{RUNS}schedule=@yearly\nautostart=true\n"));
    runs(&daemon, 1);
    daemon.wait_for_state("job", "EXITED");
    let description = status(&daemon, "job", "description").expect("a description");
    assert!(description.contains(", next "), "{description}");
}

#[test]
fn changed_schedule_is_applied_to_a_program_that_runs() {
    let daemon = Daemon::with(&format!("[program:slow]\n{WAITS}schedule=@yearly\nautostart=true\n"));
    daemon.wait_for_state("slow", "RUNNING");
    let pid = daemon.pid_of("slow");
    daemon.rewrite_conf(&format!("[program:slow]\n{WAITS}schedule=every 1s\nautostart=true\n"));
    daemon.request_ok("update");
    daemon.wait_for_log("slow: scheduled run skipped: still running");
    assert_eq!(daemon.pid_of("slow"), pid);
}

#[test]
fn schedule_far_away_costs_no_system_call() {
    let conf = format!("[program:job]\n{RUNS}schedule=@yearly\n[program:other]\n{RUNS}schedule=every 1d\n");
    let daemon = Daemon::with(&conf);
    daemon.wait_for_log("supervisord started");
    daemon.request_ok("status");
    let switches = || {
        let path = format!("/proc/{}/status", daemon.pid());
        let text = std::fs::read_to_string(path).expect("a living process");
        let count = text.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:").map(str::trim));
        count.and_then(|count| count.parse::<u64>().ok()).expect("a count")
    };
    // It may still be busy with the end of our connection.
    let mut before = switches();
    eventually("it comes to rest", || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let now = switches();
        let rests = now == before;
        before = now;
        rests.then_some(())
    });
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(switches(), before, "it was woken for nothing");
}

#[test]
fn check_refuses_nonsense_with_its_place() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("visor.conf");
    for (line, part) in [
        ("schedule=0 25 * * *", ":5: [program:x] schedule: `0 25 * * *`: hour `25`: it is none of 0 to 23"),
        ("schedule=0 0 30 feb *", "never due"),
        (
            "schedule=@daily\nschedule_timezone=Mars/Base",
            ":6: [program:x] schedule_timezone: `Mars/Base`: no time zone",
        ),
    ] {
        let text = format!("[supervisord]\nlogfile=NONE\n[program:x]\ncommand=sleep 1\n{line}\n");
        std::fs::write(&file, text).expect("the configuration is written");
        let mut command = clean_command(VISOR);
        command.arg("check").arg("-c").arg(&file);
        let output = run(command);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && errors.contains(part), "{errors}");
    }
}

#[test]
fn named_zone_is_read_from_the_machine() {
    if !std::path::Path::new("/usr/share/zoneinfo/Asia/Kolkata").exists() {
        return left_out("a named time zone: no tzdata here");
    }
    let daemon = Daemon::with(&format!("[program:job]\n{RUNS}schedule=0 3 * * *\nschedule_timezone=Asia/Kolkata\n"));
    let next: u64 = status(&daemon, "job", "next").expect("a time").parse().expect("a number");
    // 3:00 there is 21:30 of the day before in UTC.
    assert_eq!(next % 86_400, (21 * 60 + 30) * 60);
}
