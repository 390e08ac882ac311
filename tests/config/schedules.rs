//! Schedules: the instants that fields mean in places, against a table computed apart from visor; and what is read, and refused.
//!
//! A line of the table is a zone, the rule that holds there (`-`: none in those years), five fields, an instant, and the next ones
//! at which a program is due after it.

use std::io::Write as _;

use visor::config::{Config, Mistake, Overrides, diff, dump, read};
use visor::schedule::{Cron, Schedule, When, Zone};

use crate::table::Table;

const MAIN: &str = "/here/main.conf";
/// From here on laws may change: only rules say what holds.
const KNOWN_UNTIL: i64 = 1_767_225_600;

fn check(zone: &Zone, line: &str, fields: &str, mut at: i64, due: &str) {
    let cron = Cron::parse(fields).expect("good fields");
    for next in due.split(',') {
        let found = cron.next(zone, at);
        assert_eq!(found.map(|next| next.to_string()).as_deref(), Some(next), "after {at}: {line}");
        at = found.expect("it is due");
    }
}

#[test]
fn instants_are_those_of_the_table() {
    let table = include_str!("../data/schedules.table");
    let (mut by_rule, mut by_file, mut left_out) = (0, 0, 0);
    for line in table.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        let [name, rule, fields, after, due] = words[..] else { panic!("five words: {line}") };
        let at: i64 = after.parse().expect("an instant");
        if rule != "-" {
            check(&Zone::rule(rule).expect("a good rule"), line, fields, at, due);
            by_rule += 1;
        }
        if at > KNOWN_UNTIL {
            continue;
        }
        match std::fs::read(format!("/usr/share/zoneinfo/{name}")) {
            Ok(bytes) => {
                check(&Zone::compiled(&bytes).expect("a good file"), line, fields, at, due);
                by_file += 1;
            }
            Err(_) => left_out += 1,
        }
    }
    assert!(by_rule > 100 && by_file + left_out > 100);
    if left_out > 0 {
        let _ =
            writeln!(std::io::stderr(), "left out: {left_out} lines of the table: no such zone in /usr/share/zoneinfo");
    }
}

fn table(lines: &str) -> Table {
    Table::with_file(MAIN, format!("[supervisord]\n[program:x]\ncommand=/bin/x\n{lines}\n"))
}

fn good(table: &Table) -> Config {
    read(table, MAIN, &Overrides::default()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn mistakes(table: &Table) -> Vec<Mistake> {
    read(table, MAIN, &Overrides::default()).expect_err("it is refused")
}

fn scheduled(table: &Table) -> Schedule {
    let config = good(table);
    Schedule::clone(config.groups[0].processes[0].schedule.as_ref().expect("a schedule"))
}

fn zone(table: &Table) -> Zone {
    match scheduled(table).when {
        When::Cron(_, zone) => zone,
        When::Every(_) => panic!("no zone"),
    }
}

fn has_lines(config: &Config, lines: &[&str]) -> bool {
    let text = dump(config);
    lines.iter().all(|line| text.lines().any(|found| found == format!("process:x:x.{line}")))
}

#[test]
fn program_with_a_schedule_is_a_oneshot_that_does_not_start_by_itself() {
    let config = good(&table("schedule=0 3 * * *"));
    let lines =
        ["type = oneshot", "autostart = false", "autorestart = false", "startsecs = 0", "schedule = \"0 3 * * *\""];
    assert!(has_lines(&config, &lines), "{}", dump(&config));
    assert!(!dump(&config).contains("schedule_"), "only what is not default");
    let config = good(&table("schedule=every 5m\ntype=service\nautostart=true\nautorestart=true"));
    let lines = ["autostart = true", "autorestart = true", "startsecs = 1", "schedule = \"every 5m\""];
    assert!(has_lines(&config, &lines) && !dump(&config).contains("type = "), "{}", dump(&config));
}

#[test]
fn every_key_is_read_and_dumped() {
    let keys =
        "schedule=@daily\nschedule_timezone=UTC\nschedule_jitter=5m\nschedule_overlap=queue\nschedule_missed=run";
    let config = good(&table(keys));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let lines = [
        "schedule = \"@daily\"",
        "schedule_timezone = \"UTC\"",
        "schedule_jitter = \"300000ms\"",
        "schedule_overlap = \"queue\"",
        "schedule_missed = \"run\"",
    ];
    assert!(has_lines(&config, &lines), "{}", dump(&config));
}

#[test]
fn keys_of_defaults_mean_nothing_without_a_schedule() {
    let text =
        "[supervisord]\n[program-default]\nschedule_timezone=UTC\nschedule_jitter=1m\n[program:x]\ncommand=/bin/x\n";
    let config = good(&Table::with_file(MAIN, text));
    assert!(config.groups[0].processes[0].schedule.is_none() && config.groups[0].processes[0].autostart);
}

#[test]
fn mistakes_have_their_line_key_field_and_reason() {
    for (key, value, part) in [
        ("schedule", "0 25 * * *", "hour `25`: it is none of 0 to 23"),
        ("schedule", "soon", "1 fields: minute, hour, day, month and weekday are wanted, or `every` and a time"),
        ("schedule", "every", "'' is no time"),
        ("schedule", "every 10ms", "too often"),
        ("schedule", "every day", "'day' is no time"),
        ("schedule", "everyday", "1 fields"),
        ("schedule_timezone", "Mars/Base", "no time zone `Mars/Base` in /usr/share/zoneinfo"),
        ("schedule_timezone", "../../etc/passwd", "`../../etc/passwd` is no time zone"),
        ("schedule_timezone", "/etc/localtime", "is no time zone: local, UTC or a name such as Europe/Zurich"),
        ("schedule_timezone", "", "`` is no time zone"),
        ("schedule_jitter", "some", "'some' is no time"),
        ("schedule_jitter", "2d", "a day at most"),
        ("schedule_overlap", "both", "`both` is none of skip, queue, replace"),
        ("schedule_missed", "never", "`never` is none of skip, run"),
    ] {
        let lines =
            if key == "schedule" { format!("{key}={value}") } else { format!("schedule=@daily\n{key}={value}") };
        let mistakes = mistakes(&table(&lines));
        let [mistake] = &mistakes[..] else { panic!("{key}={value}: {mistakes:?}") };
        assert_eq!(
            (mistake.line, mistake.key.as_deref()),
            (if key == "schedule" { 4 } else { 5 }, Some(key)),
            "{mistake}"
        );
        assert!(mistake.to_string().contains(part), "{mistake}");
    }
}

/// A file of the zone information database with nothing but a rule.
fn zone_file(rule: &str) -> Vec<u8> {
    let head = b"TZif2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x04".as_slice();
    let body = b"\0\0\0\0\0\0UTC\0".as_slice();
    [head, body, head, body, format!("\n{rule}\n").as_bytes()].concat()
}

const ZURICH: &str = "CET-1CEST,M3.5.0,M10.5.0/3";

fn due(zone: &Zone) -> Option<i64> {
    Cron::parse("0 3 * * *").expect("good fields").next(zone, 1_700_000_000)
}

#[test]
fn zone_is_the_named_one_or_the_machines() {
    let (here, utc) = (due(&Zone::rule(ZURICH).expect("a good rule")), due(&Zone::utc()));
    assert_ne!(here, utc);
    let mut table_ = table("schedule=@daily\nschedule_timezone=Europe/Zurich");
    table_.files.insert("/usr/share/zoneinfo/Europe/Zurich".to_owned(), zone_file(ZURICH));
    assert_eq!(due(&zone(&table_)), here);
    let local = |tz: Option<&str>| {
        let mut table = table("schedule=@daily");
        table.files.insert("/etc/localtime".to_owned(), zone_file(ZURICH));
        table.files.insert("/etc/zoneinfo/Home".to_owned(), zone_file(ZURICH));
        table.environment.extend(tz.map(|tz| ("TZ".to_owned(), tz.to_owned())));
        due(&zone(&table))
    };
    assert_eq!(local(None), here);
    for tz in ["Home", ":Home", "/etc/localtime", ":/etc/localtime", ZURICH] {
        assert_eq!(local(Some(tz)), here, "{tz}");
    }
    for tz in ["", "UTC", "UTC0", ":"] {
        assert_eq!(local(Some(tz)), utc, "{tz}");
    }
    assert_eq!(due(&zone(&table("schedule=@daily"))), utc, "a machine that says nothing");
}

#[test]
fn local_zone_that_cannot_be_had_is_utc_with_a_warning() {
    let mut broken = table("schedule=@daily");
    broken.files.insert("/etc/localtime".to_owned(), b"nonsense".to_vec());
    let mut nowhere = table("schedule=@daily\nschedule_timezone=local");
    nowhere.environment.insert("TZ".to_owned(), "No/Where".to_owned());
    for (table, part) in [(broken, "`/etc/localtime` is no file of a time zone"), (nowhere, "no time zone `No/Where`")]
    {
        let config = good(&table);
        let [warning] = &config.warnings[..] else { panic!("{:?}", config.warnings) };
        assert!(warning.text.contains(part) && warning.line == 4, "{warning:?}");
        assert_eq!(due(&zone(&table)), due(&Zone::utc()));
    }
    let mut named = table("schedule=@daily\nschedule_timezone=Europe/Zurich");
    named.files.insert("/usr/share/zoneinfo/Europe/Zurich".to_owned(), b"TZif2".to_vec());
    assert!(mistakes(&named)[0].to_string().contains("is no file of a time zone"));
}

#[test]
fn changed_schedule_leaves_a_running_process_alone_and_another_change_does_not() {
    let config = |lines: &str| good(&table(lines));
    let change = |one: &Config, other: &Config| {
        let groups = |config: &Config| config.groups.clone();
        let (one, other) = (groups(one), groups(other));
        let diff = diff(&one.iter().collect::<Vec<_>>(), &other.iter().collect::<Vec<_>>());
        diff.changed.first().map(|group| (group.changed.len(), group.live.len()))
    };
    let nightly = config("schedule=@daily");
    assert_eq!(change(&nightly, &nightly.clone()), None);
    assert_eq!(change(&nightly, &config("schedule=every 1h\nschedule_overlap=queue")), Some((0, 1)));
    assert_eq!(change(&nightly, &config("")), Some((0, 1)));
    assert_eq!(change(&nightly, &config("schedule=@hourly\numask=077")), Some((1, 0)));
}
