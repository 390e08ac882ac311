//! Groups of the kernel that programs run in, where the kernel lets us make them.
//!
//! They are made below visor's own group. Limits there need its controllers, and the kernel gives a group's controllers to those below it only
//! when no process is in it. So visor moves itself, and whoever else is in its group and belongs to it, to a group of their own, the
//! first time a limit asks for that. Not where strangers are in that group: then it is not ours to arrange.

use std::io;

use nix::errno::Errno;

use super::clock;
use crate::config::Limits;
use crate::sys::cgroup::{self, Cgroup};
use crate::sys::{descent, process};

/// Our own group once we had to leave the one we were started in.
const LEAF: &str = "visor-self";
/// What the names of programs' groups begin with; nothing of the kernel's does. Another visor may make its own beside ours, so they end in what
/// is ours alone.
const PREFIX: &str = "visor:";
/// Looks at a group that is to be empty; somebody may fork meanwhile.
const MOST_MOVES: u32 = 16;
/// Generations between a process and us that are looked at.
const MOST_GENERATIONS: u32 = 64;
/// Microseconds of a period of `cpu.max`, and what a hundredth of a CPU is of it.
const CPU_PERIOD: u64 = 100_000;
const CPU_HUNDREDTH: u64 = CPU_PERIOD / 100;

/// Where groups are made, if anywhere.
#[derive(Debug, Default)]
pub(super) struct Cgroups {
    home: Home,
    /// That limits have no effect is told once.
    told: bool,
}

#[derive(Debug, Default)]
enum Home {
    #[default]
    Unsought,
    /// And why.
    Nowhere(String),
    At {
        group: Cgroup,
        /// We were moved out of it.
        moved: bool,
        /// End of names.
        ours: String,
    },
}

/// A limit as its controller has it.
struct Limit {
    key: &'static str,
    controller: &'static str,
    file: &'static str,
    value: Option<String>,
}

fn limits_of(limits: &Limits) -> [Limit; 3] {
    let cpu = limits.cpu_max.map(|part| format!("{} {CPU_PERIOD}", u64::from(part) * CPU_HUNDREDTH));
    let number = |value: Option<u64>| value.map(|value| value.to_string());
    [
        Limit { key: "memory_max", controller: "memory", file: "memory.max", value: number(limits.memory_max) },
        Limit { key: "pids_max", controller: "pids", file: "pids.max", value: number(limits.pids_max) },
        Limit { key: "cpu_max", controller: "cpu", file: "cpu.max", value: cpu },
    ]
}

/// Whether a program gets a group where that is possible.
fn wants_group(limits: &Limits) -> bool {
    limits.kill_tree || limits.memory_max.is_some() || limits.pids_max.is_some() || limits.cpu_max.is_some()
}

impl Cgroups {
    /// The group for a program with these limits, if it gets one; a warning goes to `warnings`.
    pub fn prepare(&mut self, name: &str, limits: &Limits, warnings: &mut Vec<String>) -> Option<Cgroup> {
        if !wants_group(limits) {
            return None;
        }
        let mut useless = Vec::new();
        let mut cause = String::new();
        let group = self.make(name, limits, |key, reason| {
            useless.push(key);
            cause = reason;
        });
        if !useless.is_empty() && !std::mem::replace(&mut self.told, true) {
            let keys = useless.join("`, `");
            warnings.push(format!("`{keys}` of `{name}` and the like of other programs have no effect: {cause}"));
        }
        group
    }

    fn make(&mut self, name: &str, limits: &Limits, mut useless: impl FnMut(&'static str, String)) -> Option<Cgroup> {
        let mut limits_of = limits_of(limits);
        for limit in &mut limits_of {
            if limit.value.is_none() {
                continue;
            }
            if let Err(reason) = self.give(limit.controller) {
                limit.value = None;
                useless(limit.key, reason);
            }
        }
        if !limits.kill_tree && limits_of.iter().all(|limit| limit.value.is_none()) {
            return None;
        }
        let made = self.home().and_then(|(home, ours)| {
            let cannot = |error| format!("cannot make a cgroup in `{}`: {error}", home.path().display());
            let group = home.below(&format!("{PREFIX}{name}{ours}")).map_err(cannot)?;
            match group.words("cgroup.type") {
                Ok(words) if words != ["domain"] => {
                    let _ = group.remove();
                    Err(format!("a cgroup in `{}` is `{}`", home.path().display(), words.join(" ")))
                }
                Ok(_) | Err(_) => Ok(group),
            }
        });
        let group = match made {
            Ok(group) => group,
            Err(reason) => {
                let wanted = limits_of.iter().filter(|limit| limit.value.is_some());
                wanted.for_each(|limit| useless(limit.key, reason.clone()));
                return None;
            }
        };
        for limit in &limits_of {
            match &limit.value {
                Some(value) => {
                    if let Err(error) = group.set(limit.file, value) {
                        useless(limit.key, format!("cannot write `{value}` to `{}`: {error}", limit.file));
                    }
                }
                // A group of an earlier life may have had one.
                None if group.has(limit.file) => drop(group.set(limit.file, "max")),
                None => {}
            }
        }
        Some(group)
    }

    /// The group in which groups are made, and the end of their names.
    fn home(&mut self) -> Result<(Cgroup, String), String> {
        if matches!(self.home, Home::Unsought) {
            self.home = match find_home() {
                Ok(home) => home,
                Err(reason) => Home::Nowhere(reason),
            };
        }
        match &self.home {
            Home::At { group, ours, .. } => Ok((group.clone(), ours.clone())),
            Home::Nowhere(reason) => Err(reason.clone()),
            Home::Unsought => Err(String::new()),
        }
    }

    /// Sees to it that groups of programs have this controller.
    fn give(&mut self, controller: &'static str) -> Result<(), String> {
        let (group, _) = self.home()?;
        let has = |file| group.words(file).is_ok_and(|words| words.iter().any(|word| word == controller));
        if has("cgroup.subtree_control") {
            return Ok(());
        }
        let place = group.path().display();
        if !has("cgroup.controllers") {
            return Err(format!("cgroup `{place}` has no controller `{controller}`"));
        }
        // Some controllers may be given away with processes there, which then makes groups that nobody can enter. The root of all is exempt.
        let exempt = !group.has("cgroup.type");
        if !exempt && group.members().map_or(true, |members| !members.is_empty()) {
            move_out(&group)?;
            if let Home::At { moved, .. } = &mut self.home {
                *moved = true;
            }
        }
        let outcome = group.set("cgroup.subtree_control", &format!("+{controller}"));
        outcome.map_err(|error| format!("cannot give controller `{controller}` of cgroup `{place}` away: {error}"))?;
        Ok(())
    }

    /// Puts back what was arranged, as far as that goes: our own group is left as it was found.
    pub fn leave(&mut self) {
        let Home::At { group, moved: true, .. } = std::mem::take(&mut self.home) else { return };
        for controller in group.words("cgroup.subtree_control").unwrap_or_default() {
            let _ = group.set("cgroup.subtree_control", &format!("-{controller}"));
        }
        let leaf = Cgroup::at(group.path().join(LEAF));
        for pid in leaf.members().unwrap_or_default() {
            let _ = group.set("cgroup.procs", &pid.to_string());
        }
        let _ = leaf.remove();
    }
}

/// Our own group, or the one above it when it is the leaf of an earlier life of ours; one that we may change.
fn find_home() -> Result<Home, String> {
    let own = cgroup::own().map_err(|error| format!("no cgroup of version 2 is to be seen here: {error}"))?;
    let (home, moved) = match own.parent() {
        Some(parent) if own.file_name().is_some_and(|name| name == LEAF) => (Cgroup::at(parent.to_path_buf()), true),
        Some(_) | None => (Cgroup::at(own), false),
    };
    let place = home.path().display().to_string();
    // Who moves processes between groups needs the right to put some into what is above both.
    home.door().map_err(|error| format!("cgroup `{place}` is not delegated to visor: {error}"))?;
    if !cgroup::is_root_of_namespace() && !cgroup::is_left_to_us(&home) {
        return Err(format!("cgroup `{place}` is not delegated to visor: its unit does not say Delegate=yes"));
    }
    let since_boot = u64::try_from(clock::now().mono.as_nanos()).unwrap_or(u64::MAX);
    let ours = format!("@{}.{since_boot:x}", process::pid());
    let probe = home.below(&format!("{PREFIX}{ours}"));
    let probe = probe.map_err(|error| format!("cannot make a cgroup in `{place}`: {error}"))?;
    let _ = probe.remove();
    Ok(Home::At { group: home, moved, ours })
}

/// Moves everybody in a group to the leaf in it.
fn move_out(home: &Cgroup) -> Result<(), String> {
    let place = home.path().display();
    let cannot = |error: io::Error| format!("cannot leave cgroup `{place}`, whose controllers are wanted: {error}");
    let all_ours = cgroup::is_root_of_namespace() && home.has("cgroup.type");
    let leaf = home.below(LEAF).map_err(cannot)?;
    for _ in 0..MOST_MOVES {
        let members = home.members().map_err(cannot)?;
        if members.is_empty() {
            return Ok(());
        }
        let stranger = members.iter().find(|pid| **pid == 0 || !(all_ours || is_ours(**pid)));
        if let Some(pid) = stranger {
            let _ = leaf.remove();
            return Err(format!("process {pid}, which is none of visor's, is in cgroup `{place}`, too"));
        }
        for pid in members {
            match leaf.set("cgroup.procs", &pid.to_string()) {
                // It is gone.
                Err(error) if error.raw_os_error() == Some(Errno::ESRCH as i32) => {}
                outcome => outcome.map_err(cannot)?,
            }
        }
    }
    Err(format!("cgroup `{place}` is never empty"))
}

/// Whether a process is visor or descends from it.
fn is_ours(pid: i32) -> bool {
    let ours = i32::try_from(process::pid()).unwrap_or(0);
    let mut pid = pid;
    for _ in 0..MOST_GENERATIONS {
        if pid == ours {
            return true;
        }
        match descent::someone(pid) {
            Some(who) if who.parent > 0 => pid = who.parent,
            Some(_) | None => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_a_group_wants_one() {
        assert!(!wants_group(&Limits { nice: Some(1), no_new_privs: true, ..Limits::default() }));
        assert!(wants_group(&Limits { kill_tree: true, ..Limits::default() }));
        assert!(wants_group(&Limits { cpu_max: Some(1), ..Limits::default() }));
    }

    #[test]
    fn parts_of_a_cpu_become_microseconds_of_a_period() {
        let [memory, pids, cpu] =
            limits_of(&Limits { cpu_max: Some(150), memory_max: Some(4096), ..Limits::default() });
        assert_eq!(cpu.value.as_deref(), Some("150000 100000"));
        assert_eq!((memory.value.as_deref(), pids.value), (Some("4096"), None));
    }

    #[test]
    fn limits_without_a_home_are_told_once_and_get_no_group() {
        let mut cgroups = Cgroups { home: Home::Nowhere("nobody let us".to_owned()), told: false };
        let limits = Limits { memory_max: Some(1), pids_max: Some(1), kill_tree: true, ..Limits::default() };
        let mut warnings = Vec::new();
        assert_eq!(cgroups.prepare("web", &limits, &mut warnings), None);
        assert_eq!(cgroups.prepare("db", &limits, &mut warnings), None);
        let text = "`memory_max`, `pids_max` of `web` and the like of other programs have no effect: nobody let us";
        assert_eq!(warnings, [text]);
    }

    #[test]
    fn without_limits_a_missing_home_is_no_warning() {
        let mut cgroups = Cgroups { home: Home::Nowhere("nobody let us".to_owned()), told: false };
        let mut warnings = Vec::new();
        let tree = Limits { kill_tree: true, ..Limits::default() };
        assert_eq!(cgroups.prepare("web", &tree, &mut warnings), None);
        assert_eq!(cgroups.prepare("web", &Limits::default(), &mut warnings), None);
        assert_eq!(warnings, [""; 0]);
    }

    #[test]
    fn limits_are_written_and_those_of_an_earlier_life_taken_away() {
        let folder = tempfile::tempdir().unwrap();
        let home = Cgroup::at(folder.path().to_path_buf());
        for file in ["cgroup.subtree_control", "cgroup.controllers"] {
            std::fs::write(folder.path().join(file), "memory pids").unwrap();
        }
        let group = home.below("visor:web@1").unwrap();
        for file in ["memory.max", "pids.max"] {
            std::fs::write(group.path().join(file), "").unwrap();
        }
        let mut cgroups = Cgroups { home: Home::At { group: home, moved: false, ours: "@1".to_owned() }, told: false };
        let mut warnings = Vec::new();
        let limits = Limits { memory_max: Some(4096), cpu_max: Some(1), ..Limits::default() };
        assert_eq!(cgroups.prepare("web", &limits, &mut warnings), Some(group.clone()));
        let written = ["memory.max", "pids.max"].map(|file| group.words(file).unwrap().join(" "));
        assert_eq!(written, ["4096", "max"]);
        assert!(
            warnings[0].contains("`cpu_max` of `web`") && warnings[0].contains("no controller `cpu`"),
            "{warnings:?}"
        );
    }

    #[test]
    fn we_are_ours_and_the_first_process_is_not() {
        assert!(is_ours(i32::try_from(process::pid()).unwrap()));
        assert_eq!(is_ours(1), process::is_pid1());
    }
}
