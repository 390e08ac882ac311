//! Changes of the configuration while running: reread, update, add, remove.

use super::case::{Case, Scene};
use super::compare::compare;

/// Before.
const BEFORE: &str = "[program:stays]\ncommand=sleep 1000\nstartsecs=0\n\
                      [program:changes]\ncommand=sleep 1000\nstartsecs=0\n\
                      [program:goes]\ncommand=sleep 1000\nstartsecs=0\n";
/// One of each kind of change.
const AFTER: &str = "[program:stays]\ncommand=sleep 1000\nstartsecs=0\n\
                     [program:changes]\ncommand=sleep 1001\nstartsecs=0\n\
                     [program:comes]\ncommand=sleep 1000\nstartsecs=0\n";
/// Has a mistake.
const BAD: &str = "[program:stays]\ncommand=sleep 1000\nstartsecs=soon\n";

#[test]
fn update() {
    let scene = Scene {
        cases: vec![
            Case::new("reread, then update")
                .section(BEFORE)
                .process("stays")
                .process("changes")
                .process("goes")
                .process("comes")
                .until("success: stays ")
                .until("success: changes ")
                .until("success: goes ")
                .ctl("reread")
                .ctl("update")
                .ctl("status")
                .rewrite(AFTER)
                .ctl("reread")
                .ctl("status")
                .ctl("avail")
                .ctl_sorted("update")
                .until("success: comes ")
                .ctl("status")
                .ctl("reread")
                .ctl("update nosuch")
                .rewrite(BAD)
                .ctl("reread")
                .ctl("status")
                .except("cannot read the configuration", "the log tells why a reread changed nothing")
                .intended(
                    "step 17: ctl reread",
                    &[
                        "ERROR: CANT_REREAD: $DIR/supervisord.conf:14: [program:stays] startsecs: `soon`: \
                         invalid literal for int() with base 10: 'soon'",
                        "exit code: Some(1)",
                    ],
                    "every mistake is told with its line",
                ),
        ],
        ..Scene::default()
    };
    compare(&scene);
}

#[test]
fn add_and_remove() {
    let scene = Scene {
        cases: vec![
            Case::new("groups one by one")
                .section(BEFORE)
                .process("stays")
                .process("changes")
                .process("goes")
                .process("comes")
                .until("success: goes ")
                .until("success: stays ")
                .ctl("remove goes")
                .ctl("stop goes")
                .ctl("remove goes")
                .ctl("status")
                .ctl("add goes")
                .until_count("success: goes ", 2)
                .rewrite(AFTER)
                .ctl("add comes")
                .ctl("reread")
                .ctl("add comes")
                .until("success: comes ")
                .ctl("add comes")
                .ctl("update changes")
                .until_count("success: changes ", 2)
                .ctl("status")
                .ctl("update all")
                .ctl("status"),
        ],
        ..Scene::default()
    };
    compare(&scene);
}

#[test]
fn a_group_that_changes() {
    const BEFORE: &str =
        "[program:ga]\ncommand=sleep 1000\nstartsecs=0\n[program:gb]\ncommand=sleep 1000\nstartsecs=0\n";
    const GROUPED: &str = "[program:ga]\ncommand=sleep 1000\nstartsecs=0\n[program:gb]\ncommand=sleep 1000\nstartsecs=0\n\
                           [group:ab]\nprograms=ga,gb\n";
    let scene = Scene {
        cases: vec![
            Case::new("two programs become a group")
                .section(BEFORE)
                .process("ga")
                .process("gb")
                .until("success: ga ")
                .until("success: gb ")
                .rewrite(GROUPED)
                .ctl("reread")
                .ctl_sorted("update")
                .until_count("success: ga ", 2)
                .until_count("success: gb ", 2)
                .ctl("status"),
        ],
        ..Scene::default()
    };
    compare(&scene);
}
