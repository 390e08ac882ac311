use super::*;

/// A file of the database: for old readers nothing, then these changes, kinds of time and rule.
fn file(changes: &[(i64, u8)], kinds: &[i32], rule: &str) -> Vec<u8> {
    let head = |counts: [usize; 6]| {
        let mut head = b"TZif2".to_vec();
        head.resize(COUNTS, 0);
        counts.iter().for_each(|count| head.extend(u32::try_from(*count).unwrap().to_be_bytes()));
        head
    };
    let mut bytes = head([0, 0, 0, 0, 1, 4]);
    bytes.extend([0, 0, 0, 0, 0, 0]);
    bytes.extend(b"UTC\0");
    bytes.extend(head([1, 1, 1, changes.len(), kinds.len(), 4]));
    changes.iter().for_each(|(at, _)| bytes.extend(at.to_be_bytes()));
    bytes.extend(changes.iter().map(|(_, kind)| *kind));
    for kind in kinds {
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 0]);
    }
    bytes.extend(b"ABC\0");
    bytes.extend([0; 12]);
    bytes.extend([0, 0]);
    bytes.extend(format!("\n{rule}\n").into_bytes());
    bytes
}

fn offset(zone: &Zone, at: i64) -> i64 {
    zone.span(at).offset
}

#[test]
fn compiled_file_has_its_changes_and_then_its_rule() {
    let (autumn_2023, spring_2024) = (1_698_541_200, 1_711_846_800);
    let changes = [(-2_000_000_000, 1), (0, 2), (5, 1), (autumn_2023, 1)];
    let zone = Zone::compiled(&file(&changes, &[2048, 3600, 7200], "CET-1CEST,M3.5.0,M10.5.0/3")).unwrap();
    assert_eq!(offset(&zone, i64::MIN), 2048);
    assert_eq!(offset(&zone, -2_000_000_001), 2048);
    assert_eq!(zone.span(-1), Span { start: -2_000_000_000, end: 0, offset: 3600, before: 2048 });
    assert_eq!(zone.span(0), Span { start: 0, end: 5, offset: 7200, before: 3600 });
    // The change of 2023 changed nothing: it has the offset of the one before.
    let last = zone.span(5);
    assert_eq!((last.start, last.before), (5, 7200));
    let winter = zone.span(spring_2024 - 1);
    assert_eq!((winter.end, winter.offset), (spring_2024, 3600));
    assert_eq!((offset(&zone, spring_2024), zone.span(spring_2024).before), (7200, 3600));
}

#[test]
fn file_without_rule_keeps_its_last_offset() {
    let zone = Zone::compiled(&file(&[(100, 0), (200, 1)], &[0, 60], "")).unwrap();
    assert_eq!(zone.span(300), Span { start: 200, end: i64::MAX, offset: 60, before: 0 });
}

#[test]
fn old_file_of_four_bytes_is_read() {
    let mut bytes = b"TZif".to_vec();
    bytes.resize(COUNTS, 0);
    [0_u32, 0, 0, 1, 2, 4].iter().for_each(|count| bytes.extend(count.to_be_bytes()));
    bytes.extend((-5_i32).to_be_bytes());
    bytes.push(1);
    bytes.extend([0, 0, 0, 9, 0, 0, 0xff, 0xff, 0xff, 0xf7, 0, 0]);
    bytes.extend(b"ABC\0");
    let zone = Zone::compiled(&bytes).unwrap();
    assert_eq!((offset(&zone, -6), offset(&zone, -5)), (9, -9));
}

#[test]
fn broken_file_is_refused_wherever_it_is_cut_or_changed() {
    let whole = file(&[(100, 0), (200, 1)], &[0, 60], "CET-1CEST,M3.5.0,M10.5.0/3");
    assert!(Zone::compiled(&whole).is_some());
    for length in 0..whole.len() - 1 {
        let cut = Zone::compiled(&whole[..length]);
        assert!(cut.is_none() || length > whole.len() - 28, "{length}");
    }
    // Any byte may be anything: it is refused or gives some zone, and the span around an instant holds it.
    for place in 0..whole.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff, b'9'] {
            let mut changed = whole.clone();
            changed[place] = byte;
            if let Some(zone) = Zone::compiled(&changed) {
                for at in [0, 150, 1_700_000_000] {
                    let span = zone.span(at);
                    assert!(span.start <= at && at < span.end, "{place} {byte}: {span:?}");
                }
            }
        }
    }
    assert!(Zone::compiled(&file(&[(200, 0), (100, 1)], &[0, 60], "")).is_none(), "backwards");
    assert!(Zone::compiled(&file(&[(100, 2)], &[0, 60], "")).is_none(), "no such kind");
    assert!(Zone::compiled(&file(&[], &[], "UTC0")).is_none(), "no kind at all");
    assert!(Zone::compiled(&file(&[], &[i32::MAX], "UTC0")).is_none(), "an offset of years");
    assert!(Zone::compiled(&file(&[], &[0], "nonsense")).is_none());
}

#[test]
fn rules_have_their_offsets_by_season() {
    // January 15 and July 15 of 2030.
    for (rule, winter, summer) in [
        ("UTC0", 0, 0),
        ("EST5", -18_000, -18_000),
        ("<-03>3", -10_800, -10_800),
        ("<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45", 49_500, 45_900),
        ("CET-1CEST,M3.5.0,M10.5.0/3", 3600, 7200),
        ("EST5EDT", -18_000, -14_400),
        ("AAA-1BBB-3,J60,J300", 3600, 10_800),
        ("AAA-1BBB,59,299/23:59:59", 3600, 7200),
        ("ABC3EDT4,0/0,J365/23", -14_400, -14_400),
    ] {
        let zone = Zone::rule(rule).unwrap_or_else(|| panic!("{rule}"));
        assert_eq!((offset(&zone, 1_894_665_600), offset(&zone, 1_910_304_000)), (winter, summer), "{rule}");
    }
}

#[test]
fn summer_time_all_year_never_changes() {
    let zone = Zone::rule("ABC3EDT4,0/0,J365/23").unwrap();
    let mut at = 1_700_000_000;
    for _ in 0..10 {
        let span = zone.span(at);
        assert_eq!((span.offset, span.before), (-14_400, -14_400), "{span:?}");
        at = span.end;
    }
}

#[test]
fn counted_days_leave_out_february_29_and_others_do_not() {
    let turn = |day| Turn { day, time: 0 };
    let day_in = |turn: Turn, year| date(turn.instant(year, 0) / DAY);
    assert_eq!(day_in(turn(Day::Counted(59)), 2024), (2024, 2, 28));
    assert_eq!(day_in(turn(Day::Counted(60)), 2024), (2024, 3, 1));
    assert_eq!(day_in(turn(Day::Counted(365)), 2024), (2024, 12, 31));
    assert_eq!(day_in(turn(Day::OfYear(59)), 2024), (2024, 2, 29));
    assert_eq!(day_in(turn(Day::OfYear(59)), 2025), (2025, 3, 1));
    let last_sunday = Day::Weekday { month: 2, week: 5, weekday: 0 };
    assert_eq!(day_in(turn(last_sunday), 2026), (2026, 2, 22));
}

#[test]
fn nonsense_is_no_rule() {
    for text in [
        "",
        "C",
        "CE-1",
        "CET",
        "CET-1CEST,",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M0.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.0.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,M3.5,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0/3x",
        "CET-1CEST,M3.5.0,M10.5.0 ",
        "<CET-1",
        "CET-168",
        "CET-1:60",
        "CET1:",
        "CET+-1",
        "CET-1CEST,J0,J1",
        "CET-1CEST,J366,J1",
        "CET-1CEST,366,1",
        "CET-1CEST,M3.5.0/,M10.5.0",
        "Europe/Zurich",
        "CET-99999999999999999999",
        "é-1",
    ] {
        assert_eq!(Zone::rule(text), None, "{text}");
    }
}
