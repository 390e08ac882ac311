//! How much visor costs, and that it stays quick under load. The figures are printed.

use std::io::{Read as _, Write as _};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::kernel::{cpu_time, is_installed, status_line};
use super::support::{Connection, Daemon, TIMEOUT, eventually};

/// How long idleness is watched: the promise is about ten seconds.
const WATCHED: &str = "10";
/// What a stop may cost of visor's own time. A build without optimization is some ten times slower than what is shipped.
const OWN_TIME: Duration = Duration::from_millis(50);
const PROGRAMS: usize = 1000;
const CLIENTS: usize = 200;
const TRIES: usize = 15;
const FLOOD_BYTES: u64 = 1 << 30;

fn wait_until_ready(daemon: &Daemon) {
    eventually("everything runs", || daemon.request("ready").is_ok().then_some(()));
}

#[test]
fn idle_with_a_hundred_programs_makes_no_system_call_in_ten_seconds() {
    let daemon = Daemon::with(
        "[program:x]\ncommand=sleep 1000\nstartsecs=0\nnumprocs=100\nprocess_name=%(program_name)s_%(process_num)d\n",
    );
    wait_until_ready(&daemon);
    // Connected clients cost nothing either.
    let mut watchers: Vec<Connection> = (0..20).map(|_| daemon.connect()).collect();
    for watcher in &mut watchers {
        watcher.send("watch");
    }
    daemon.request_ok("hello");
    let (pid, trace) = (daemon.pid(), daemon.file("trace"));
    eventually("the last client is gone and visor sleeps", || {
        let before = status_line(pid, "voluntary_ctxt_switches");
        std::thread::sleep(Duration::from_millis(50));
        (before == status_line(pid, "voluntary_ctxt_switches")).then_some(())
    });
    let switches = |kind: &str| status_line(pid, &format!("{kind}_ctxt_switches"));
    let (before, cpu) = (switches("voluntary"), cpu_time(pid));
    // `timeout` is the clock here: with strace it ends it, without it it is the pause itself.
    let traced = is_installed("strace", "a trace of idleness (its context switches are looked at instead)")
        && Command::new("strace")
            .args(["-qq", "-e", "trace=none", "true"])
            .output()
            .is_ok_and(|it| it.status.success());
    if traced {
        let mut command = Command::new("timeout");
        command.arg(WATCHED).args(["strace", "-qq", "-p", &pid.to_string(), "-o"]).arg(&trace);
        command.output().expect("strace runs");
        let calls = std::fs::read_to_string(&trace).expect("a trace");
        // The call it waits in is shown at the beginning or the end of the trace.
        let calls: Vec<&str> = calls.lines().filter(|line| !line.contains("poll")).collect();
        println!("idle: {} system calls in {WATCHED} s: {calls:?}", calls.len());
        assert_eq!(calls, [""; 0], "zero system calls");
        assert!(std::fs::read_to_string(&trace).expect("a trace").lines().count() <= 1, "not even a poll");
    } else {
        Command::new("sleep").arg(WATCHED).output().expect("time passes");
        assert_eq!(switches("voluntary"), before, "it was not woken");
        assert_eq!(cpu_time(pid), cpu);
    }
    daemon.request_ok("hello");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Where a gigabyte of log costs no disk.
fn flood_log() -> String {
    let memory = std::path::Path::new("/dev/shm");
    let place = if memory.is_dir() { memory } else { std::path::Path::new("/tmp") };
    place.join(format!("visor-flood-{}", std::process::id())).display().to_string()
}

/// Asks for the status of everything again and again until `over`; the replies' lengths are checked by the reader.
fn keep_asking(daemon: &Daemon, over: &AtomicBool, answered: &AtomicUsize) {
    let mut stream = std::os::unix::net::UnixStream::connect(daemon.socket()).expect("a connection");
    stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
    let mut buffer = vec![0; 1 << 16];
    while !over.load(Ordering::Relaxed) {
        stream.write_all(b"status\n").expect("a request");
        let mut ended = false;
        while !ended {
            let count = stream.read(&mut buffer).expect("an answer");
            ended = count == 0 || buffer[..count].ends_with(b"\nok\n");
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn stop_answers_quickly_beside_a_thousand_processes_a_log_flood_and_two_hundred_clients() {
    let log = flood_log();
    let daemon = Daemon::builder()
        .supervisord(&format!("loglevel=info\nsilent=true\nminfds={}", PROGRAMS * 4 + CLIENTS * 2))
        .conf(&format!(
            "[program:many]\ncommand=sleep 1000\nstartsecs=0\nnumprocs={PROGRAMS}\n\
             process_name=%(program_name)s_%(process_num)04d\n\
             [program:x]\ncommand=sleep 1000\nstartsecs=0\n\
             [program:flood]\ncommand=head -c {FLOOD_BYTES} /dev/zero\nstartsecs=0\nautostart=false\nautorestart=false\n\
             stdout_logfile={log}\nstdout_logfile_maxbytes=20MB\nstdout_logfile_backups=1\n"
        ))
        .spawn();
    daemon.wait_until_it_answers();
    wait_until_ready(&daemon);
    let mut clients: Vec<Connection> = (0..CLIENTS).map(|_| daemon.connect()).collect();
    for client in &mut clients {
        assert!(client.request("hello").is_ok());
    }
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let began = Instant::now();
    let mut times = Vec::new();
    let mut costs = Vec::new();
    let mut hellos = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| keep_asking(&daemon, &over, &answered));
        let mut connection = daemon.connect();
        for _ in 0..TRIES {
            // The flood lasts through all tries.
            let flood = connection.request("start flood");
            assert!(flood.is_ok() || flood.error_code() == "already-started", "{flood:?}");
            let asked = Instant::now();
            assert!(connection.request("hello").is_ok());
            hellos.push(asked.elapsed());
            let (asked, cpu) = (Instant::now(), cpu_time(daemon.pid()));
            assert!(connection.request("stop x").is_ok());
            times.push(asked.elapsed());
            costs.push(cpu_time(daemon.pid()).saturating_sub(cpu));
            assert!(connection.request("start x").is_ok());
        }
        over.store(true, Ordering::Relaxed);
    });
    let took = began.elapsed();
    // Its whole gigabyte went through, and the log was rotated.
    if daemon.state_of("flood") == "RUNNING" {
        daemon.wait_for_state("flood", "EXITED");
    }
    let sizes = [log.clone(), format!("{log}.1")].map(|path| std::fs::metadata(path).map_or(0, |it| it.len()));
    for path in [log.clone(), format!("{log}.1")] {
        let _ = std::fs::remove_file(path);
    }
    let (time, cost, hello) = (median(times.clone()), median(costs.clone()), median(hellos));
    println!(
        "under load: stop x answered in {time:?} (median of {TRIES}, worst {:?}), of which {cost:?} of visor's CPU \
         (worst {:?}); hello in {hello:?}; {} status of {} processes in {took:?}; {} MiB resident",
        times.iter().max().expect("some"),
        costs.iter().max().expect("some"),
        answered.load(Ordering::Relaxed),
        PROGRAMS + 2,
        status_line(daemon.pid(), "VmRSS").split(' ').next().and_then(|it| it.parse::<u64>().ok()).unwrap_or(0) / 1024,
    );
    assert!(sizes.iter().all(|&size| size > 0), "the log was rotated: {sizes:?}");
    assert!(cost < OWN_TIME, "visor's own time for a stop: {cost:?}");
    assert!(answered.load(Ordering::Relaxed) > 0);
    assert_eq!(daemon.request_ok("status").data.len(), PROGRAMS + 2);
    drop(clients);
    let stopping = Instant::now();
    daemon.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(daemon.wait_exit(TIMEOUT).code(), Some(0));
    println!("{} processes stopped in {:?}", PROGRAMS + 1, stopping.elapsed());
}
