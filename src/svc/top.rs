//! `top`: what processes use of the machine, the busiest first.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use super::action::Action;
use super::server::Server;
use super::stream::Wake;
use super::{Answer, Session, names, options, words};
use crate::cli::ExitCode;
use crate::list::List as _;
use crate::order;
use crate::protocol::{Line, Request};
use crate::span;
use crate::sys::proc::{self, Usage};
use crate::sys::terminal;

/// Between two looks at CPU time when only one figure is shown, and before the first.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Between two screens.
const PAUSE: Duration = Duration::from_secs(2);
/// Lines of a screen that are not processes: two above, and the cursor's.
const OTHER_LINES: usize = 3;
/// Clears a terminal.
const CLEAR: &str = "\x1b[H\x1b[2J";
const KIB: u64 = 1024;

/// A process that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Runner {
    name: String,
    pid: u32,
    /// Seconds since its start.
    uptime: u64,
}

impl Runner {
    fn of(line: &Line) -> Option<Runner> {
        let number = |key| line.get(key).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let pid = u32::try_from(number("pid")).ok().filter(|pid| *pid != 0)?;
        let uptime = number("now").saturating_sub(number("start"));
        Some(Runner { name: line.get("name").unwrap_or_default().to_owned(), pid, uptime })
    }
}

/// What one of them used.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    runner: Runner,
    /// CPU in tenths of a percent of one core.
    cpu: u64,
    usage: Usage,
}

/// Tenths of a percent that so many ticks are of that time.
fn share(ticks: u64, ticks_a_second: u64, time: Duration) -> u64 {
    let millis = span::millis(time).max(1);
    ticks.saturating_mul(1_000_000) / ticks_a_second.saturating_mul(millis).max(1)
}

fn tenths(number: u64) -> String {
    format!("{}.{}", number / 10, number % 10)
}

/// Bytes for people.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut tenths_of_unit = bytes.saturating_mul(10) / KIB;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while tenths_of_unit >= 10 * KIB
        && let Some(next) = units.next()
    {
        tenths_of_unit /= KIB;
        unit = Some(next);
    }
    format!("{} {}", tenths(tenths_of_unit), unit.unwrap_or(&""))
}

fn uptime(seconds: u64) -> String {
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// The screen's lines: a sum, a head, the processes in their order.
fn table(rows: &[Row], down: usize) -> Vec<String> {
    let cpu = rows.iter().map(|row| row.cpu).fold(0, u64::saturating_add);
    let memory = rows.iter().map(|row| row.usage.resident).fold(0, u64::saturating_add);
    let width = rows.iter().map(|row| row.runner.name.chars().count()).max().unwrap_or(0).max("NAME".len());
    let line = |name: &str, cells: [&str; 5]| {
        let [pid, cpu, memory, threads, uptime] = cells;
        format!("{name:<width$}  {pid:>7}  {cpu:>6}  {memory:>10}  {threads:>7}  {uptime:>10}")
    };
    let sum = format!("{} running, {down} not; {} % CPU, {}", rows.len(), tenths(cpu), size(memory));
    let head = line("NAME", ["PID", "CPU %", "MEMORY", "THREADS", "UPTIME"]);
    let of_row = |row: &Row| {
        let Row { runner, cpu, usage } = row;
        let [pid, threads] = [u64::from(runner.pid), usage.threads].map(|number| number.to_string());
        line(&runner.name, [&pid, &tenths(*cpu), &size(usage.resident), &threads, &uptime(runner.uptime)])
    };
    let mut lines = vec![sum, head];
    lines.extend(rows.iter().map(of_row));
    lines
}

/// The busiest first, then the largest.
fn sort(rows: &mut Vec<Row>) {
    let key = |row: &Row| (u64::MAX - row.cpu, u64::MAX - row.usage.resident);
    order::sort_by(rows, |a, b| (key(a), &a.runner.name).cmp(&(key(b), &b.runner.name)));
}

/// Ticks each process had when looked at last.
struct Before {
    when: Instant,
    ticks: Vec<(u32, u64)>,
}

impl Before {
    fn now(runners: &[Runner]) -> (Before, Vec<(Runner, Usage)>) {
        let pids: Vec<u32> = runners.iter().map(|runner| runner.pid).list();
        let usage = proc::sample(&pids);
        let seen = |runner: &Runner| Some((runner.clone(), *usage.get(&runner.pid)?));
        let before =
            Before { when: Instant::now(), ticks: usage.iter().map(|(pid, usage)| (*pid, usage.ticks)).list() };
        (before, runners.iter().filter_map(seen).list())
    }

    /// What was used since; one that was not there then has used all it has since.
    fn rows(&self, now: &Before, seen: Vec<(Runner, Usage)>) -> Vec<Row> {
        let time = now.when.saturating_duration_since(self.when);
        let used = |pid: u32, ticks: u64| {
            let old = self.ticks.iter().find(|(known, _)| *known == pid).map_or(0, |(_, ticks)| *ticks);
            share(ticks.saturating_sub(old), proc::ticks_a_second(), time)
        };
        let row = |(runner, usage): (Runner, Usage)| Row { cpu: used(runner.pid, usage.ticks), usage, runner };
        let mut rows: Vec<Row> = seen.into_iter().map(row).list();
        sort(&mut rows);
        rows
    }
}

impl Session {
    /// `top [--once] [NAME…]`
    pub(super) fn top(&mut self, arguments: &[&str]) -> Answer {
        let mut words = arguments.to_vec();
        let once = options::take_switch(&mut words, "--once") || !std::io::stdout().is_terminal();
        if let Err(text) = options::no_more(&words) {
            return self.misuse(Action::Top, &text, ExitCode::Usage);
        }
        if let Server::Http(url) = &self.server {
            let text = format!("error: top looks at this machine's processes, and those of {url} may be elsewhere");
            self.screen.line(&text);
            return Ok(ExitCode::Failure);
        }
        let names = if words.contains(&"all") { Vec::new() } else { names(words.into_iter()) };
        let (runners, _) = self.runners(&names)?;
        let (mut before, _) = Before::now(&runners);
        let mut pause = FIRST_PAUSE;
        let mut streams = self.streams(Vec::new())?;
        while let Wake::TimedOut = streams.next_until(Instant::now().checked_add(pause)) {
            pause = PAUSE;
            let (runners, down) = self.runners(&names)?;
            let (now, seen) = Before::now(&runners);
            let lines = table(&before.rows(&now, seen), down);
            before = now;
            self.show_top(&lines, once);
            if once || self.screen.is_gone() {
                break;
            }
        }
        Ok(ExitCode::Success)
    }

    /// Those that run, and how many do not. An unknown name is told and ends it.
    fn runners(&mut self, names: &[String]) -> Result<(Vec<Runner>, usize), ExitCode> {
        let (mut runners, mut down, mut failed) = (Vec::new(), 0_usize, false);
        self.ask(&Request::Status(names.to_vec()), &mut |screen, line| {
            if words::failure(&line).is_some() {
                screen.line(&words::process_result(Action::Top, &line).text);
                failed = true;
                return;
            }
            match Runner::of(&line) {
                Some(runner) => runners.push(runner),
                None => down = down.saturating_add(1),
            }
        })?;
        if failed { Err(ExitCode::Failure) } else { Ok((runners, down)) }
    }

    fn show_top(&mut self, lines: &[String], once: bool) {
        let size = if once { None } else { terminal::size() };
        let (rows, columns) = size.map_or((usize::MAX, usize::MAX), |(rows, columns)| {
            (rows.saturating_sub(OTHER_LINES).saturating_add(2), columns)
        });
        if !once {
            self.screen.bytes(CLEAR.as_bytes());
        }
        for line in lines.iter().take(rows) {
            self.screen.line(&line.chars().take(columns).collect::<String>());
        }
        self.screen.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, cpu: u64, resident: u64) -> Row {
        let runner = Runner { name: name.to_owned(), pid: 7, uptime: 3661 };
        Row { runner, cpu, usage: Usage { ticks: 0, resident, threads: 3 } }
    }

    #[test]
    fn shares_are_tenths_of_a_percent_of_one_core() {
        assert_eq!(share(100, 100, Duration::from_secs(1)), 1000);
        assert_eq!(share(1, 100, Duration::from_secs(2)), 5);
        assert_eq!(share(800, 100, Duration::from_secs(2)), 4000);
        assert_eq!(share(u64::MAX, 100, Duration::ZERO), u64::MAX / 100);
        assert_eq!(share(0, 0, Duration::ZERO), 0);
    }

    #[test]
    fn sizes_and_times_are_for_people() {
        for (bytes, text) in [
            (0, "0.0 KiB"),
            (1536, "1.5 KiB"),
            (1024 * 1024 - 1, "1023.9 KiB"),
            (1024 * 1024, "1.0 MiB"),
            (5 << 40, "5.0 TiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert!(size(u64::MAX).ends_with(" TiB"));
        assert_eq!(uptime(360_061), "100:01:01");
    }

    #[test]
    fn busiest_is_first_then_largest_then_by_name() {
        let mut rows = vec![row("b", 0, 1), row("a", 0, 1), row("large", 0, 2), row("busy", 1, 0)];
        sort(&mut rows);
        assert_eq!(rows.iter().map(|row| row.runner.name.as_str()).collect::<Vec<_>>(), ["busy", "large", "a", "b"]);
    }

    #[test]
    fn table_has_a_sum_a_head_and_a_line_each() {
        let lines = table(&[row("long:name", 1234, 2 << 20), row("a", 5, 1 << 20)], 2);
        assert_eq!(
            lines,
            [
                "2 running, 2 not; 123.9 % CPU, 3.0 MiB",
                "NAME           PID   CPU %      MEMORY  THREADS      UPTIME",
                "long:name        7   123.4     2.0 MiB        3     1:01:01",
                "a                7     0.5     1.0 MiB        3     1:01:01",
            ]
        );
        assert_eq!(table(&[], 0).len(), 2);
    }

    #[test]
    fn only_those_with_a_pid_run() {
        let line = |pairs: &[(&str, &str)]| {
            Line::Data(pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect())
        };
        let runs = line(&[("name", "a"), ("pid", "7"), ("start", "10"), ("now", "15")]);
        assert_eq!(Runner::of(&runs), Some(Runner { name: "a".to_owned(), pid: 7, uptime: 5 }));
        assert_eq!(Runner::of(&line(&[("name", "a"), ("pid", "0")])), None);
    }

    #[test]
    fn use_is_what_came_since_the_last_look() {
        let when = Instant::now();
        let before = Before { when, ticks: vec![(7, 100)] };
        let now = Before { when: when + Duration::from_secs(1), ticks: Vec::new() };
        let runner = |pid: u32| Runner { name: pid.to_string(), pid, uptime: 1 };
        let usage = |ticks| Usage { ticks, ..Usage::default() };
        let second = proc::ticks_a_second();
        let rows = before.rows(&now, vec![(runner(7), usage(100 + second)), (runner(8), usage(second / 2))]);
        assert_eq!(rows.iter().map(|row| row.cpu).collect::<Vec<_>>(), [1000, 500]);
    }
}
