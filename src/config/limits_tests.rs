//! Limits as they are read: what is right, and every way to be wrong.

use super::*;

#[test]
fn keys_name_every_resource() {
    let listed = RESOURCES.map(|(key, ..)| key);
    assert_eq!(listed, KEYS[..RESOURCES.len()]);
}

#[test]
fn bounds_of_one_value_are_both_and_of_two_are_each() {
    assert_eq!(bounds("1024", count), Ok((1024, 1024)));
    assert_eq!(bounds("10:20", count), Ok((10, 20)));
    assert_eq!(bounds("0:unlimited", count), Ok((0, UNLIMITED)));
    assert_eq!(bounds("unlimited", bytes), Ok((UNLIMITED, UNLIMITED)));
    assert_eq!(bounds(" 8MB : 1GB ", bytes), Ok((8 << 20, 1 << 30)));
}

#[test]
fn bounds_that_are_none_are_refused() {
    for text in ["", ":", "1:", ":1", "-1", "1:2:3", "1kb", "infinity", "1.5", "99999999999999999999"] {
        assert!(bounds(text, count).is_err(), "{text:?}");
    }
    for text in ["", "-1", "-1MB", "1TB"] {
        assert!(bounds(text, bytes).is_err(), "{text:?}");
    }
    let reason = "in `2:1` the soft limit is above the hard one".to_owned();
    assert_eq!(bounds("2:1", count), Err(reason));
    assert!(bounds("unlimited:5", count).is_err());
}

#[test]
fn most_is_from_one_on_or_unlimited() {
    assert_eq!(most("512MB", bytes), Ok(Some(512 << 20)));
    assert_eq!(most("100", count), Ok(Some(100)));
    assert_eq!(most("unlimited", count), Ok(None));
    for text in ["0", "", "-5", "max", "0MB"] {
        assert!(most(text, bytes).is_err() && most(text, count).is_err(), "{text:?}");
    }
}

#[test]
fn cpus_are_hundredths() {
    for (text, number) in [("2", 200), ("1.5", 150), ("0.05", 5), (" 1.25 ", 125)] {
        assert_eq!(cpus(text), Ok(Some(number)), "{text}");
    }
    assert_eq!(cpus("unlimited"), Ok(None));
    for text in
        ["", ".", "1.", ".5", "0", "0.00", "-1", "1.555", "50%", "1.5.5", "1,5", "99999999", "50000 100000", "1.x"]
    {
        assert!(cpus(text).is_err(), "{text:?}");
    }
}

#[test]
fn io_priority_has_a_class_and_a_level() {
    assert_eq!(io_priority("idle"), Ok(IoPriority::Idle));
    assert_eq!(io_priority("best-effort:7"), Ok(IoPriority::BestEffort(7)));
    assert_eq!(io_priority("realtime:0"), Ok(IoPriority::Realtime(0)));
    for text in ["", "idle:0", "best-effort", "best-effort:8", "realtime:-1", "realtime:", "none:1", "3"] {
        assert!(io_priority(text).is_err(), "{text:?}");
    }
}

#[test]
fn capabilities_are_names_with_or_without_their_prefix() {
    assert_eq!(capabilities("net_bind_service"), Ok(Some(Capabilities(1 << 10))));
    assert_eq!(capabilities(" CAP_CHOWN, checkpoint_restore"), Ok(Some(Capabilities(1 | 1 << 40))));
    assert_eq!(capabilities("none"), Ok(Some(Capabilities(0))));
    assert_eq!(capabilities("all"), Ok(None));
    for text in ["", "chown,", "chown none", "none,chown", "cap_", "everything", "-chown"] {
        assert!(capabilities(text).is_err(), "{text:?}");
    }
}

#[test]
fn lines_are_in_the_form_that_is_read() {
    assert_eq!(Limits::default().lines(), []);
    let limits = Limits {
        rlimits: vec![ResourceLimit { key: "rlimit_core", soft: 0, hard: UNLIMITED }],
        nice: Some(-5),
        oom_score_adj: Some(500),
        ioprio: Some(IoPriority::BestEffort(3)),
        no_new_privs: true,
        capabilities: Some(Capabilities(0b10_0001)),
        memory_max: Some(1024),
        pids_max: Some(7),
        cpu_max: Some(50),
        kill_tree: true,
    };
    let lines: Vec<String> = limits.lines().into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(
        lines.join(" "),
        "rlimit_core=0:unlimited nice=-5 oom_score_adj=500 ioprio=best-effort:3 no_new_privs=true \
         capabilities=chown,kill memory_max=1024 pids_max=7 cpu_max=0.50 kill_tree=true"
    );
    assert_eq!(bounds("0:unlimited", bytes), Ok((0, UNLIMITED)));
    assert_eq!(io_priority("best-effort:3"), Ok(IoPriority::BestEffort(3)));
    assert_eq!(capabilities("chown,kill"), Ok(limits.capabilities));
}
