//! What a program may use and do: `rlimit_*`, `nice`, `oom_score_adj`, `ioprio`, `no_new_privs`, `capabilities`, `memory_max`, `pids_max`,
//! `cpu_max`, `kill_tree`.
//!
//! Owns: these keys, their shapes and how they are read. Whether the machine grants them is found when a program starts.

use std::fmt::{self, Display};

use super::document::Section;
use super::reader::{Names, Reader};
use super::value;
use crate::list::List as _;

/// Limits and rights of one process; nothing is set unless its section says so.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// `rlimit_*`, each at most once.
    pub rlimits: Vec<ResourceLimit>,
    /// Nice value, -20 (first) to 19 (last).
    pub nice: Option<i32>,
    /// Whom the kernel kills first when memory runs out: -1000 (never) to 1000 (first).
    pub oom_score_adj: Option<i32>,
    /// Priority of its disk accesses.
    pub ioprio: Option<IoPriority>,
    /// It and its descendants never gain rights by executing a file.
    pub no_new_privs: bool,
    /// The capabilities that it keeps; `None` = it has what it would have anyway.
    pub capabilities: Option<Capabilities>,
    /// Bytes of memory of the process and its descendants.
    pub memory_max: Option<u64>,
    /// The process and its descendants, threads included.
    pub pids_max: Option<u64>,
    /// CPUs for the process and its descendants, in hundredths.
    pub cpu_max: Option<u32>,
    /// Descendants that left its process group end with it, too.
    pub kill_tree: bool,
}

/// One `rlimit_*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceLimit {
    /// The key, such as `rlimit_nofile`.
    pub key: &'static str,
    /// What holds, in the kernel's unit; [`UNLIMITED`] = no limit.
    pub soft: u64,
    /// How far the process may raise it.
    pub hard: u64,
}

/// Stands for no limit in a [`ResourceLimit`].
pub const UNLIMITED: u64 = u64::MAX;

/// Priority of disk accesses: 0 goes first in a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IoPriority {
    /// Before everybody else.
    Realtime(u8),
    /// The usual class.
    BestEffort(u8),
    /// When nobody else wants the disk.
    Idle,
}

/// A set of capabilities: bit n stands for the capability with number n.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities(pub u64);

/// What the values of an `rlimit_*` count.
#[derive(Clone, Copy)]
enum Unit {
    Bytes,
    Other,
}

/// Where a key means something.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    Everywhere,
    OnLinux,
}

const RESOURCES: [(&str, Unit, Known); 16] = [
    ("rlimit_as", Unit::Bytes, Known::Everywhere),
    ("rlimit_core", Unit::Bytes, Known::Everywhere),
    ("rlimit_cpu", Unit::Other, Known::Everywhere),
    ("rlimit_data", Unit::Bytes, Known::Everywhere),
    ("rlimit_fsize", Unit::Bytes, Known::Everywhere),
    ("rlimit_locks", Unit::Other, Known::OnLinux),
    ("rlimit_memlock", Unit::Bytes, Known::Everywhere),
    ("rlimit_msgqueue", Unit::Bytes, Known::OnLinux),
    ("rlimit_nice", Unit::Other, Known::OnLinux),
    ("rlimit_nofile", Unit::Other, Known::Everywhere),
    ("rlimit_nproc", Unit::Other, Known::Everywhere),
    ("rlimit_rss", Unit::Bytes, Known::Everywhere),
    ("rlimit_rtprio", Unit::Other, Known::OnLinux),
    ("rlimit_rttime", Unit::Other, Known::OnLinux),
    ("rlimit_sigpending", Unit::Other, Known::OnLinux),
    ("rlimit_stack", Unit::Bytes, Known::Everywhere),
];

const NICE: &str = "nice";
const OOM_SCORE_ADJ: &str = "oom_score_adj";
const IOPRIO: &str = "ioprio";
const NO_NEW_PRIVS: &str = "no_new_privs";
const CAPABILITIES: &str = "capabilities";
const MEMORY_MAX: &str = "memory_max";
const PIDS_MAX: &str = "pids_max";
const CPU_MAX: &str = "cpu_max";
const KILL_TREE: &str = "kill_tree";

/// Every key of this page: the resources, then the others.
pub(super) const KEYS: [&str; 25] = [
    "rlimit_as",
    "rlimit_core",
    "rlimit_cpu",
    "rlimit_data",
    "rlimit_fsize",
    "rlimit_locks",
    "rlimit_memlock",
    "rlimit_msgqueue",
    "rlimit_nice",
    "rlimit_nofile",
    "rlimit_nproc",
    "rlimit_rss",
    "rlimit_rtprio",
    "rlimit_rttime",
    "rlimit_sigpending",
    "rlimit_stack",
    NICE,
    OOM_SCORE_ADJ,
    IOPRIO,
    NO_NEW_PRIVS,
    CAPABILITIES,
    MEMORY_MAX,
    PIDS_MAX,
    CPU_MAX,
    KILL_TREE,
];

/// Names of the capabilities by number, without `cap_`.
const CAPABILITY_NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

const NICE_RANGE: (i64, i64) = (-20, 19);
const OOM_RANGE: (i64, i64) = (-1000, 1000);
/// Last level of a class of `ioprio`.
const LAST_LEVEL: u8 = 7;
/// Above this nobody means it; far below what the kernel takes.
const MOST_CPU: u32 = 1_000_000;
const NO_LIMIT: &str = "unlimited";

/// Reads the keys of a section; what is wrong is told to the reader.
pub(super) fn read<'a>(reader: &mut Reader<'a>, section: &'a Section, names: &Names) -> Limits {
    let mut get = Get { reader, section, names };
    Limits {
        rlimits: RESOURCES.iter().filter_map(|(key, unit, known)| get.rlimit(key, *unit, *known)).list(),
        nice: get.number(NICE, Known::Everywhere, NICE_RANGE),
        oom_score_adj: get.number(OOM_SCORE_ADJ, Known::OnLinux, OOM_RANGE),
        ioprio: get.value(IOPRIO, Known::OnLinux, io_priority),
        no_new_privs: get.value(NO_NEW_PRIVS, Known::OnLinux, value::boolean).unwrap_or(false),
        capabilities: get.value(CAPABILITIES, Known::OnLinux, capabilities).flatten(),
        memory_max: get.value(MEMORY_MAX, Known::OnLinux, |text| most(text, bytes)).flatten(),
        pids_max: get.value(PIDS_MAX, Known::OnLinux, |text| most(text, count)).flatten(),
        cpu_max: get.value(CPU_MAX, Known::OnLinux, cpus).flatten(),
        kill_tree: get.value(KILL_TREE, Known::OnLinux, value::boolean).unwrap_or(false),
    }
}

struct Get<'g, 'a> {
    reader: &'g mut Reader<'a>,
    section: &'a Section,
    names: &'g Names<'g>,
}

impl Get<'_, '_> {
    fn value<T>(&mut self, key: &str, known: Known, parse: fn(&str) -> Result<T, String>) -> Option<T> {
        self.reader.value(self.section, key, self.names, &|_, text| {
            if known == Known::OnLinux && !cfg!(target_os = "linux") {
                return Err("there is no such thing on this system, only on Linux".to_owned());
            }
            parse(text)
        })
    }

    fn rlimit(&mut self, key: &'static str, unit: Unit, known: Known) -> Option<ResourceLimit> {
        let parse = match unit {
            Unit::Bytes => |text: &str| bounds(text, bytes),
            Unit::Other => |text: &str| bounds(text, count),
        };
        self.value(key, known, parse).map(|(soft, hard)| ResourceLimit { key, soft, hard })
    }

    fn number(&mut self, key: &str, known: Known, (first, last): (i64, i64)) -> Option<i32> {
        let number = self.value(key, known, value::integer)?;
        if (first..=last).contains(&number) {
            return i32::try_from(number).ok();
        }
        self.reader.refuse(self.section, key, format!("{number} is not between {first} and {last}"));
        None
    }
}

fn count(text: &str) -> Option<u64> {
    text.parse().ok()
}

fn bytes(text: &str) -> Option<u64> {
    value::byte_size(text).ok().and_then(|size| u64::try_from(size).ok())
}

type Parse = fn(&str) -> Option<u64>;

/// `soft:hard`, or one value for both.
fn bounds(text: &str, parse: Parse) -> Result<(u64, u64), String> {
    let bound = |word: &str| match word.trim() {
        NO_LIMIT => Ok(UNLIMITED),
        word => parse(word)
            .ok_or_else(|| format!("`{text}` is no limit: SOFT:HARD or one value, each a number or `{NO_LIMIT}`")),
    };
    let (soft, hard) = text.split_once(':').unwrap_or((text, text));
    let (soft, hard) = (bound(soft)?, bound(hard)?);
    if soft > hard {
        return Err(format!("in `{text}` the soft limit is above the hard one"));
    }
    Ok((soft, hard))
}

/// A number from 1 on; `None` for no limit.
fn most(text: &str, parse: Parse) -> Result<Option<u64>, String> {
    match text.trim() {
        NO_LIMIT => Ok(None),
        word => match parse(word).filter(|number| *number > 0) {
            Some(number) => Ok(Some(number)),
            None => Err(format!("`{text}` is neither a number from 1 on nor `{NO_LIMIT}`")),
        },
    }
}

/// CPUs, with at most two places behind the point; in hundredths.
fn cpus(text: &str) -> Result<Option<u32>, String> {
    /// What each place behind the point counts.
    const PLACES: [u32; 2] = [10, 1];
    let text = text.trim();
    if text == NO_LIMIT {
        return Ok(None);
    }
    let (whole, places) = text.split_once('.').unwrap_or((text, "0"));
    let number = whole.parse().ok().and_then(|whole: u32| {
        let known = !places.is_empty() && places.len() <= PLACES.len();
        let digits: Option<Vec<u32>> = places.chars().map(|c| c.to_digit(10)).collect();
        let sum: u32 = digits.filter(|_| known)?.iter().zip(PLACES).map(|(digit, worth)| digit * worth).sum();
        whole.checked_mul(100)?.checked_add(sum)
    });
    match number.filter(|number| (1..=MOST_CPU).contains(number)) {
        Some(number) => Ok(Some(number)),
        None => Err(format!("`{text}` is neither a number of CPUs such as `1.5` or `0.05` nor `{NO_LIMIT}`")),
    }
}

fn io_priority(text: &str) -> Result<IoPriority, String> {
    let wrong =
        || format!("`{text}` is none of `idle`, `best-effort:0` to `:{LAST_LEVEL}`, `realtime:0` to `:{LAST_LEVEL}`");
    let (class, level) = match text.trim().split_once(':') {
        Some((class, level)) => (class, level.parse().ok().filter(|level| *level <= LAST_LEVEL)),
        None if text.trim() == "idle" => return Ok(IoPriority::Idle),
        None => return Err(wrong()),
    };
    match (class, level) {
        ("best-effort", Some(level)) => Ok(IoPriority::BestEffort(level)),
        ("realtime", Some(level)) => Ok(IoPriority::Realtime(level)),
        _ => Err(wrong()),
    }
}

/// A list of names, `none`, or `all` for what there is anyway.
fn capabilities(text: &str) -> Result<Option<Capabilities>, String> {
    match text.trim() {
        "none" => return Ok(Some(Capabilities(0))),
        "all" => return Ok(None),
        _ => {}
    }
    let mut bits = 0;
    for word in text.split(',') {
        let lower = word.trim().to_ascii_lowercase();
        let name = lower.strip_prefix("cap_").unwrap_or(&lower);
        let Some(number) = CAPABILITY_NAMES.iter().position(|known| *known == name) else {
            let word = word.trim();
            return Err(format!("`{word}` is no capability; a list of their names, `none` or `all` is wanted"));
        };
        bits |= 1 << number;
    }
    Ok(Some(Capabilities(bits)))
}

impl Limits {
    /// Every key that was set and its value in the form that is read, in a fixed order.
    #[must_use]
    pub fn lines(&self) -> Vec<(&'static str, String)> {
        let mut lines: Vec<(&'static str, String)> = Vec::new();
        lines.extend(self.rlimits.iter().map(|limit| (limit.key, limit.to_string())));
        let mut put = |key, value: Option<String>| lines.extend(value.map(|value| (key, value)));
        put(NICE, self.nice.map(|number| number.to_string()));
        put(OOM_SCORE_ADJ, self.oom_score_adj.map(|number| number.to_string()));
        put(IOPRIO, self.ioprio.map(|priority| priority.to_string()));
        put(NO_NEW_PRIVS, self.no_new_privs.then(|| true.to_string()));
        put(CAPABILITIES, self.capabilities.map(|set| set.to_string()));
        put(MEMORY_MAX, self.memory_max.map(|number| number.to_string()));
        put(PIDS_MAX, self.pids_max.map(|number| number.to_string()));
        put(CPU_MAX, self.cpu_max.map(|number| format!("{}.{:02}", number / 100, number % 100)));
        put(KILL_TREE, self.kill_tree.then(|| true.to_string()));
        lines
    }
}

impl Display for ResourceLimit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = |bound: u64| if bound == UNLIMITED { NO_LIMIT.to_owned() } else { bound.to_string() };
        write!(out, "{}:{}", bound(self.soft), bound(self.hard))
    }
}

impl Display for IoPriority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IoPriority::Realtime(level) => write!(out, "realtime:{level}"),
            IoPriority::BestEffort(level) => write!(out, "best-effort:{level}"),
            IoPriority::Idle => out.write_str("idle"),
        }
    }
}

impl Display for Capabilities {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return out.write_str("none");
        }
        let kept = CAPABILITY_NAMES.iter().enumerate().filter(|(number, _)| self.0 & (1 << number) != 0);
        let names: Vec<&str> = kept.map(|(_, name)| *name).list();
        out.write_str(&names.join(","))
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
