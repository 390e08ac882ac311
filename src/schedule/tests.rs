use super::*;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn schedule(when: When, jitter: Duration) -> Schedule {
    let text = String::new();
    Schedule { timezone: text.clone(), text, when, jitter, overlap: Overlap::Skip, make_up: false }
}

fn every(seconds: u64) -> Schedule {
    schedule(When::Every(secs(seconds)), Duration::ZERO)
}

fn cron(text: &str) -> Schedule {
    schedule(When::Cron(Cron::parse(text).unwrap(), Zone::utc()), Duration::ZERO)
}

#[test]
fn every_keeps_its_beat_however_late_it_is_looked_at() {
    let start = Duration::from_millis(1500);
    let next = |last, now| every(10).next(last, now, 7).map(|run| (run.due, run.at));
    let at = |millis| Some((Duration::from_millis(millis), Duration::from_millis(millis)));
    assert_eq!(next(start, start), at(11_500));
    assert_eq!(next(Duration::from_millis(11_500), Duration::from_millis(11_501)), at(21_500));
    assert_eq!(next(Duration::from_millis(11_500), Duration::from_millis(95_000)), at(101_500));
    assert_eq!(next(Duration::from_millis(11_500), Duration::from_millis(101_500)), at(111_500));
}

#[test]
fn cron_runs_once_however_many_were_due() {
    let next = |last, now| cron("*/5 * * * *").next(last, now, 7).map(|run| run.at.as_secs());
    assert_eq!(next(secs(600), secs(600)), Some(900));
    assert_eq!(next(secs(600), Duration::from_millis(899_999)), Some(900));
    assert_eq!(next(secs(600), Duration::from_millis(900_500)), Some(1200));
    assert_eq!(next(secs(600), secs(1_000_000_000)), Some(1_000_000_200));
}

#[test]
fn jitter_delays_by_at_most_itself_and_differs_by_run_and_program() {
    let hourly = Schedule { jitter: secs(600), ..cron("0 * * * *") };
    let delays = |salt| -> Vec<Duration> {
        let mut last = secs(1_700_000_000);
        let runs = (0..50).map(|_| {
            let run = hourly.next(last, last, salt).unwrap();
            last = run.due;
            run.at - run.due
        });
        runs.collect()
    };
    let (one, other) = (delays(1), delays(2));
    assert!(one.iter().chain(&other).all(|delay| *delay <= secs(600)));
    assert!(one.iter().any(|delay| *delay > secs(300)) && one.iter().any(|delay| *delay < secs(300)));
    assert!(one != other && one.windows(2).any(|pair| pair[0] != pair[1]));
    assert_eq!(one, delays(1), "the same every time it is asked");
}

#[test]
fn jitter_longer_than_the_pause_loses_no_time_and_never_looks_back() {
    for base in [every(1), cron("* * * * *")] {
        let wild = Schedule { jitter: secs(3600), ..base };
        let (mut last, mut now) = (secs(1_700_000_000), secs(1_700_000_000));
        for _ in 0..200 {
            let run = wild.next(last, now, 3).unwrap();
            assert!(run.due > last && run.at > now && run.at <= now + secs(7200));
            (last, now) = (run.due, run.at);
        }
    }
}

#[test]
fn words_of_overlap_are_their_own() {
    assert!(Overlap::WORDS.iter().all(|(word, overlap)| overlap.word() == *word));
}
