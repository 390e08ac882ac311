//! Much at once: figures are printed, bounds are asserted.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use crate::listener::{builder, fact, has_python, wait_until_ready};
use crate::support::{Daemon, TIMEOUT};

/// Words of clients in a second.
const RATE: usize = 10_000;
/// How long they come.
const SECONDS: usize = 3;
/// Memory that visor may need more after all that than before, in KiB.
const GROWTH_KIB: u64 = 8 * 1024;

/// Counts events and looks that none is missing or twice; says how many there were when the last has come.
const COUNTER: &str = "
import os
data, count, last = b'', 0, -1
os.write(1, b'READY\\n')
while True:
    chunk = os.read(0, 65536)
    if not chunk:
        break
    data += chunk
    while True:
        head, line_end, rest = data.partition(b'\\n')
        if not line_end:
            break
        length = int(head[head.rindex(b':') + 1:])
        if len(rest) < length:
            break
        body, data = rest[:length], rest[length:]
        if body.startswith(b'type:n\\n'):
            number = int(body[7:])
            if number != last + 1:
                open('$DIR/wrong', 'a').write('%d after %d\\n' % (number, last))
            last, count = number, count + 1
        elif body == b'type:end\\n':
            open('$DIR/count.tmp', 'w').write(str(count))
            os.rename('$DIR/count.tmp', '$DIR/count')
        os.write(1, b'RESULT 2\\nOKREADY\\n')
";

/// Resident memory of a process in KiB.
fn resident(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn tell(text: &str) {
    // Past the harness, as figures are for people.
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[test]
fn ten_thousand_events_a_second_reach_one_listener_without_loss_or_growth() {
    if !has_python("the load of events") {
        return;
    }
    let daemon = builder()
        .supervisord("loglevel=info")
        .given("counter.py", 0o644, COUNTER)
        .conf(
            "[eventlistener:l]\ncommand=python3 $DIR/counter.py\nevents=REMOTE_COMMUNICATION\nbuffer_size=100000\n\
             startsecs=0\nstdout_logfile=NONE\n",
        )
        .start();
    daemon.wait_for_state("l", "RUNNING");
    let mut client = daemon.connect();
    client.send("event warm");
    assert!(client.reply().is_ok());
    let before = resident(daemon.pid());
    let mut replies = client.stream().try_clone().expect("a descriptor");
    let reader = std::thread::spawn(move || {
        let (mut buffer, mut lines) = ([0; 65536], 0);
        while lines < RATE * SECONDS {
            let count = replies.read(&mut buffer).expect("replies");
            assert!(count > 0, "visor lives");
            lines += buffer.get(..count).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
        }
    });
    let begin = Instant::now();
    let mut most_waiting = 0;
    let per_tick = RATE / 100;
    for tick in 0..100 * SECONDS {
        let lines: String = (0..per_tick).map(|number| format!("event n {}\n", tick * per_tick + number)).collect();
        client.stream().write_all(lines.as_bytes()).expect("visor reads");
        if tick % 20 == 0 {
            most_waiting = most_waiting.max(fact(&daemon, "l", "waiting").parse::<u64>().expect("a number"));
        }
        let due = begin + Duration::from_millis(10) * u32::try_from(tick + 1).expect("small");
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let sent = begin.elapsed();
    reader.join().expect("every word is answered");
    daemon.request_ok("event end");
    let count = daemon.wait_for_file("count", |_| true);
    let all = begin.elapsed();
    let after = resident(daemon.pid());
    tell(&format!(
        "events: {count} sent in {:.2} s, all handled after {:.2} s ({:.0} a second), at most {most_waiting} seen waiting, \
         VmRSS {before} -> {after} KiB",
        sent.as_secs_f64(),
        all.as_secs_f64(),
        count.parse::<f64>().expect("a number") / all.as_secs_f64(),
    ));
    assert_eq!(count, (RATE * SECONDS).to_string());
    assert!(!daemon.file("wrong").exists(), "in order: {}", daemon.read("wrong"));
    assert_eq!(fact(&daemon, "l", "lost"), "0");
    assert!(after < before + GROWTH_KIB, "{before} -> {after} KiB");
    assert!(all < TIMEOUT, "{all:?}");
}

/// Reads events and answers in a way that depends on its number: some are content, some reject, some never read.
const FIFTY: &str = "
case $(($1 % 5)) in
0) exec sleep 1000 ;;
1) printf 'READY\\n'; exec sleep 1000 ;;
2) printf 'rubbish\\n'; exec sleep 1000 ;;
esac
printf 'READY\\n'
while IFS= read -r head; do
    dd bs=1 count=\"${head##*:}\" of=/dev/null 2>/dev/null
    printf 'RESULT 2\\nOKREADY\\n'
done
";

#[test]
fn fifty_listeners_of_everything_while_a_hundred_programs_crash_keep_memory_bounded() {
    let daemon = Daemon::builder()
        .supervisord("loglevel=info")
        .given("fifty.sh", 0o755, FIFTY)
        .conf(
            "[program:crash]\ncommand=sh -c \"echo crashing; sleep 0.3; exit 1\"\nnumprocs=100\nstartsecs=0\n\
             process_name=%(program_name)s_%(process_num)d\nautorestart=true\nautostart=false\nstdout_logfile=NONE\n\
             stdout_events_enabled=true\n",
        )
        .conf(&listeners(50))
        .start();
    wait_until_all_run(&daemon);
    let before = resident(daemon.pid());
    daemon.request_ok("start --no-wait crash:*");
    let crashes = |count: usize| daemon.process().wait_for_log_count("exited: crash_", count);
    crashes(500);
    let middle = resident(daemon.pid());
    let begin = Instant::now();
    crashes(1500);
    let after = resident(daemon.pid());
    let rate = 1000.0 / begin.elapsed().as_secs_f64();
    tell(&format!(
        "events: 50 listeners of everything, 100 programs that crash, {rate:.0} crashes a second: VmRSS {before} KiB before, \
         {middle} KiB after 500 crashes, {after} KiB after 1500"
    ));
    assert!(after < middle + GROWTH_KIB / 4, "{middle} -> {after} KiB");
    assert!(after < before + GROWTH_KIB, "{before} -> {after} KiB");
    // Answers still come.
    assert_eq!(daemon.state_of("l_0:l_0"), "RUNNING");
    let lost: u64 = fact(&daemon, "l_0", "lost").parse().expect("a number");
    assert!(lost > 0, "who never reads loses, and that is counted");
}

/// Pools of one, with a small buffer.
fn listeners(count: usize) -> String {
    let section = |number: usize| {
        format!(
            "[eventlistener:l_{number}]\ncommand=sh $DIR/fifty.sh {number}\nevents=EVENT\nbuffer_size=20\nstartsecs=0\n\
             stdout_logfile=NONE\nstderr_logfile=NONE\n"
        )
    };
    (0..count).map(section).collect()
}

fn wait_until_all_run(daemon: &Daemon) {
    for number in 0..50 {
        daemon.wait_for_state(&format!("l_{number}"), "RUNNING");
    }
}

#[test]
fn ready_words_of_many_listeners_are_all_heard() {
    if !has_python("many listeners") {
        return;
    }
    let options = "events=REMOTE_COMMUNICATION\nnumprocs=10\nprocess_name=p_%(process_num)d";
    let daemon = builder().conf(&crate::listener::pool("p", "", options)).start();
    for number in 0..10 {
        wait_until_ready(&daemon, &format!("p_{number}"));
        assert_eq!(fact(&daemon, &format!("p:p_{number}"), "listener"), "READY");
    }
}
