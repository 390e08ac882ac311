use super::*;

fn cron(text: &str) -> Cron {
    Cron::parse(text).unwrap_or_else(|reason| panic!("{text}: {reason}"))
}

/// Minute, hour, day, month and weekday that a clock in this zone shows at an instant.
fn shown(zone: &Zone, at: i64) -> [i64; 5] {
    let local = at + zone.span(at).offset;
    let (day, second) = (local.div_euclid(DAY), local.rem_euclid(DAY));
    let (_, month, day_of_month) = date(day);
    [second % 3600 / 60, second / 3600, day_of_month, month, weekday(day)]
}

fn fits(cron: &Cron, [minute, hour, day, month, weekday]: [i64; 5]) -> bool {
    let (on_day, on_weekday) = (has(cron.days, day), has(cron.weekdays, weekday));
    let on = if cron.either_day { on_day || on_weekday } else { on_day && on_weekday };
    on && has(cron.minutes, minute) && has(cron.hours, hour) && has(cron.months, month)
}

#[test]
fn fields_are_sets_of_what_they_list() {
    let all = |numbers: &[u64]| numbers.iter().fold(0, |set, number| set | 1_u64 << number);
    let read = cron("*/20,3 9-17/4,23 1,15-17 jan,Mar-MAY fri-sun");
    assert_eq!(read.minutes, all(&[0, 3, 20, 40]));
    assert_eq!(read.hours, all(&[9, 13, 17, 23]));
    assert_eq!(read.days, all(&[1, 15, 16, 17]));
    assert_eq!(read.months, all(&[1, 3, 4, 5]));
    assert_eq!(read.weekdays & 0x7f, all(&[0, 5, 6]));
    assert!(read.either_day);
    assert!(!cron("0 0 */2 * 1").either_day && !cron("0 0 1 * */3").either_day && !cron("0 0 * * *").either_day);
    assert_eq!(cron("0 0 * * 7").weekdays & 1, 1);
}

#[test]
fn names_stand_for_fields() {
    for (name, fields) in NAMES {
        assert_eq!(cron(name), cron(fields));
    }
    assert_eq!(cron("\t0  0\t*  * * "), cron("@daily"));
}

#[test]
fn nonsense_is_refused_with_the_field_and_the_reason() {
    for (text, part) in [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("0 0 * * * root", "6 fields"),
        ("60 * * * *", "minute `60`: it is none of 0 to 59"),
        ("-1 * * * *", "minute ``: it is none of 0 to 59"),
        ("+1 * * * *", "minute `+1`: it is none of"),
        ("1,,2 * * * *", "minute ``: it is none of"),
        ("* 24 * * *", "hour `24`: it is none of 0 to 23"),
        ("* * 0 * *", "day `0`: it is none of 1 to 31"),
        ("* * * 13 *", "month `13`: it is none of 1 to 12, jan to dec"),
        ("* * * janu *", "month `janu`: "),
        ("* * * * 8", "weekday `8`: it is none of 0 to 7, sun to sat"),
        ("mon * * * *", "minute `mon`: "),
        ("*/0 * * * *", "minute `*/0`: its step is no number"),
        ("*/x * * * *", "minute `*/x`: its step is no number"),
        ("*/99999999999 * * * *", "its step is no number"),
        ("5/15 * * * *", "minute `5/15`: a step comes after `*` or a range"),
        ("* 22-2 * * *", "hour `22-2`: it goes backwards"),
        ("1-2-3 * * * *", "minute `2-3`: it is none of"),
        ("* * * * 99999999999", "weekday `99999999999`"),
        ("0 0 30 2 *", "never due"),
        ("0 0 31 4,6,9,11 *", "never due"),
        ("@dayly", "none of @hourly"),
        ("@reboot", "autostart=true"),
        ("é * * * *", "minute `é`"),
    ] {
        let reason = Cron::parse(text).expect_err(text);
        assert!(reason.contains(part), "{text}: {reason}");
    }
}

/// Numbers without a pattern.
fn numbers(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut count = seed;
    move |below| {
        count += 1;
        crate::scatter::scatter(count) % below
    }
}

fn any_field(any: &mut impl FnMut(u64) -> u64, first: u64, last: u64) -> String {
    let (one, other) = (first + any(last - first + 1), first + any(last - first + 1));
    match any(6) {
        0..=2 => "*".to_owned(),
        3 => format!("*/{}", 1 + any(last)),
        4 => format!("{one}"),
        _ => format!("{}-{},{other}", one.min(other), one.max(other)),
    }
}

#[test]
fn next_of_any_fields_is_later_fits_and_nothing_between_does() {
    let zones =
        ["UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "IST-1GMT0,M10.5.0,M3.5.0/1"]
            .map(|rule| Zone::rule(rule).unwrap());
    let mut any = numbers(1);
    for _ in 0..250 {
        let fields = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
        let text = fields.map(|(first, last)| any_field(&mut any, first, last)).join(" ");
        let Ok(cron) = Cron::parse(&text) else { continue };
        let zone = &zones[any(4) as usize];
        let after = 1_700_000_000 + any(400 * DAY as u64) as i64;
        let due = cron.next(zone, after).unwrap_or_else(|| panic!("{text} is due after {after}"));
        assert!(due > after && due % MINUTE == 0, "{text} after {after}: {due}");
        let span = zone.span(due);
        let in_gap = due == span.start && span.before < span.offset;
        assert!(fits(&cron, shown(zone, due)) || in_gap, "{text} after {after}: {due}");
        // Every minute of a day, and then some.
        let mut minute = (after / MINUTE + 1) * MINUTE;
        while minute < due {
            let span = zone.span(minute);
            let again = span.before > span.offset && minute - span.start < span.before - span.offset;
            let left_out = again && cron.hours != ALL_HOURS;
            assert!(!fits(&cron, shown(zone, minute)) || left_out, "{text} after {after}: {due}, not {minute}");
            minute += MINUTE * if minute - after < DAY { 1 } else { 7 * 1440 + 97 };
        }
    }
}

#[test]
fn rarest_day_is_found_over_a_century_without_it() {
    let (leap_day, zone) = (cron("0 0 29 2 *"), Zone::utc());
    // February 29 of 2096, then of 2104.
    let first = leap_day.next(&zone, 3_900_000_000).unwrap();
    assert_eq!((first, leap_day.next(&zone, first)), (3_981_312_000, Some(4_233_686_400)));
}

#[test]
fn strange_instants_are_no_trouble() {
    let every_minute = cron("* * * * *");
    for zone in [Zone::utc(), Zone::rule("CET-1CEST,M3.5.0,M10.5.0/3").unwrap()] {
        assert_eq!(every_minute.next(&zone, i64::MIN), Some(60));
        assert!(every_minute.next(&zone, i64::MAX).is_some());
        assert!(cron("0 0 29 2 *").next(&zone, LAST).is_some());
    }
}
