//! What the kernel says about processes.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::support::{eventually, left_out as tell_left_out};

/// Whether a process of this pid exists, a zombie too.
pub fn exists(pid: i32) -> bool {
    assert!(pid > 0, "{pid} is a pid");
    kill(Pid::from_raw(pid), None).is_ok()
}

/// Whether a process group has any member, a zombie too.
pub fn group_exists(group: i32) -> bool {
    assert!(group > 1, "{group} is a group");
    kill(Pid::from_raw(-group), None).is_ok()
}

/// The fields of `/proc/PID/stat` from the state on; `None` when it is gone.
fn stat(pid: i32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

/// The state letter of a process (`S`, `T`, `Z`); `None` when it is gone.
pub fn state(pid: i32) -> Option<char> {
    stat(pid)?.first()?.chars().next()
}

/// The parent of a process.
pub fn parent(pid: i32) -> Option<i32> {
    stat(pid)?.get(1)?.parse().ok()
}

/// Waits until a process is gone without a trace.
pub fn wait_gone(pid: i32) {
    eventually(&format!("{pid} is gone"), || (!exists(pid)).then_some(()));
}

/// Zombies among the children of a process.
pub fn zombies_of(parent_pid: i32) -> usize {
    let entries = std::fs::read_dir("/proc").expect("a proc");
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(stat)
        .filter(|stat| stat.first().is_some_and(|state| state == "Z"))
        .filter(|stat| stat.get(1).and_then(|parent| parent.parse().ok()) == Some(parent_pid))
        .count()
}

/// Open descriptors of a process.
pub fn descriptors(pid: i32) -> Vec<u32> {
    let entries = std::fs::read_dir(format!("/proc/{pid}/fd")).expect("a living process");
    let mut numbers: Vec<u32> =
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    numbers.sort_unstable();
    numbers
}

/// Waits until a process has descriptors 0, 1 and 2 and no other: a program that has just begun has its libraries open
/// for a moment, what leaked into it stays.
pub fn wait_for_standard_descriptors(pid: i32) {
    let mut seen = Vec::new();
    for _ in 0..1000 {
        seen = descriptors(pid);
        if seen == [0, 1, 2] {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("{pid} has these descriptors: {seen:?}");
}

/// A line of `/proc/PID/status`.
pub fn status_line(pid: i32, key: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a living process");
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("`{key}` in {text}")).trim().to_owned()
}

/// CPU time a process has used.
pub fn cpu_time(pid: i32) -> Duration {
    let text = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).expect("a living process");
    let nanoseconds = text.split(' ').next().and_then(|word| word.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_else(|| panic!("a number in `{text}`")))
}

/// Makes a FIFO.
pub fn make_fifo(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::from_bits_truncate(0o600)).expect("a FIFO");
}

/// Whether a program is installed; if not, says on stderr what is left out.
pub fn is_installed(program: &str, left_out: &str) -> bool {
    let found = Command::new("sh").args(["-c", "command -v \"$0\"", program]).output();
    let found = found.is_ok_and(|output| output.status.success());
    if !found {
        tell_left_out(&format!("{left_out}: `{program}` is not installed"));
    }
    found
}

/// Whether we are root; if not, says on stderr what is left out.
pub fn is_root(left_out: &str) -> bool {
    let root = nix::unistd::geteuid().is_root();
    if !root {
        tell_left_out(&format!("{left_out}: only root can do that"));
    }
    root
}
