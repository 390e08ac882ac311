//! What the kernel says of CPU and memory, for those who talk to visor.

use std::fs;
use std::sync::LazyLock;

use super::files;
use crate::list::List as _;
use crate::sorted::Map;

/// Clock ticks a second, when the kernel does not say; the same on every architecture that is left.
const USUAL_TICKS: u64 = 100;
/// Bytes a page, when the kernel does not say.
const USUAL_PAGE: u64 = 4096;
/// Keys of the auxiliary vector (`getauxval(3)`).
const AT_PAGESZ: usize = 6;
const AT_CLKTCK: usize = 17;

/// Fields of `/proc/PID/stat` after the name in brackets.
const PROCESS_GROUP: usize = 2;
const TICKS: [usize; 4] = [11, 12, 13, 14];
const THREADS: usize = 17;
const RESIDENT: usize = 21;

/// What a process and everything in its process group use together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time since the start in [`ticks_a_second`], that of children which ended included.
    pub ticks: u64,
    /// Resident memory in bytes; a page that several share counts for each.
    pub resident: u64,
    /// Threads, of a plain process one.
    pub threads: u64,
}

/// One line of `/proc/PID/stat`.
#[derive(Debug, PartialEq)]
struct Stat {
    pid: u32,
    group: u32,
    ticks: u64,
    threads: u64,
    pages: u64,
}

impl Stat {
    fn of(text: &str) -> Option<Stat> {
        // The name may hold anything, brackets too.
        let (head, tail) = text.rsplit_once(')')?;
        let fields: Vec<&str> = tail.split_ascii_whitespace().list();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let ticks = TICKS.into_iter().map(number).sum::<Option<u64>>()?;
        Some(Stat {
            pid: head.split_once(' ')?.0.parse().ok()?,
            group: fields.get(PROCESS_GROUP)?.parse().ok()?,
            ticks,
            threads: number(THREADS)?,
            pages: number(RESIDENT)?,
        })
    }
}

/// Ticks a second and bytes a page.
static UNITS: LazyLock<(u64, u64)> = LazyLock::new(|| units(&fs::read("/proc/self/auxv").unwrap_or_default()));

/// Reads the units in which the kernel counts, while it may be asked.
pub fn learn_units() {
    LazyLock::force(&UNITS);
}

/// How many ticks of CPU time the kernel counts in a second, at least one.
#[must_use]
pub fn ticks_a_second() -> u64 {
    UNITS.0
}

/// The usage of each of these processes that is there and may be seen. Reads all of `/proc`: some milliseconds.
#[must_use]
pub fn sample(pids: &[u32]) -> Map<u32, Usage> {
    let page = UNITS.1;
    let mut found: Map<u32, Usage> = Map::new();
    if pids.is_empty() {
        return found;
    }
    for pid in files::numbers("/proc") {
        let Ok(text) = fs::read(format!("/proc/{pid}/stat")) else { continue };
        let Some(stat) = Stat::of(&String::from_utf8_lossy(&text)) else { continue };
        let owner = if pids.contains(&stat.pid) { stat.pid } else { stat.group };
        if pids.contains(&owner) {
            found.change(owner, |usage| {
                usage.ticks = usage.ticks.saturating_add(stat.ticks);
                usage.resident = usage.resident.saturating_add(stat.pages.saturating_mul(page));
                usage.threads = usage.threads.saturating_add(stat.threads);
            });
        }
    }
    found
}

/// Ticks a second and bytes a page, out of the auxiliary vector: pairs of words.
fn units(auxv: &[u8]) -> (u64, u64) {
    let words: Vec<usize> = auxv
        .chunks_exact(size_of::<usize>())
        .filter_map(|word| Some(usize::from_ne_bytes(word.try_into().ok()?)))
        .list();
    let value = |wanted: usize| {
        let pair = words.chunks_exact(2).find(|pair| pair.first() == Some(&wanted));
        pair.and_then(|pair| u64::try_from(*pair.get(1)?).ok()).filter(|value| *value > 0)
    };
    (value(AT_CLKTCK).unwrap_or(USUAL_TICKS), value(AT_PAGESZ).unwrap_or(USUAL_PAGE))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "4711 (a) b (c) S 1 42 4711 0 -1 4194560 100 200 0 0 7 5 3 1 20 0 1 0 12345 1000000 250 18446744073709551615 1 1";

    #[test]
    fn stat_line_is_read_past_brackets_in_the_name() {
        assert_eq!(Stat::of(LINE), Some(Stat { pid: 4711, group: 42, ticks: 16, threads: 1, pages: 250 }));
    }

    #[test]
    fn stat_line_that_is_cut_or_foreign_is_none() {
        for bad in [
            "",
            "4711",
            "4711 (a",
            "4711 (a) S 1 42",
            "x (a) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22",
        ] {
            assert_eq!(Stat::of(bad), None, "{bad}");
        }
    }

    #[test]
    fn units_come_from_the_vector_else_are_usual() {
        let words = |words: &[usize]| words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<u8>>();
        assert_eq!(units(&words(&[AT_PAGESZ, 16384, 3, 9, AT_CLKTCK, 250, 0, 0])), (250, 16384));
        assert_eq!(units(&words(&[AT_PAGESZ, 0, 17])), (USUAL_TICKS, USUAL_PAGE));
        assert_eq!(units(b"short"), (USUAL_TICKS, USUAL_PAGE));
    }

    #[test]
    fn sample_of_ourselves_has_memory_and_of_nobody_nothing() {
        let own = std::process::id();
        assert!(sample(&[own]).get(&own).is_some_and(|usage| usage.resident > 0 && usage.threads > 0));
        assert!(sample(&[]).is_empty());
        assert!(sample(&[u32::MAX]).is_empty());
    }
}
