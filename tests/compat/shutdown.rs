//! The end of the daemon: its whole log, its exit code, what it leaves behind.

use nix::sys::signal::Signal;

use super::case::{Case, Scene};
use super::run::compare;

fn three() -> Case {
    Case::new("three programs of different priority")
        .section(
            "[program:first]\ncommand=sleep 1000\nstartsecs=0\npriority=1\n\
             [program:middle]\ncommand=sh -c \"trap '' TERM; echo ready-middle; exec sleep 1000\"\nstartsecs=0\npriority=2\nstopwaitsecs=1\n\
             [program:last]\ncommand=sleep 1000\nstartsecs=0\npriority=3\nstopsignal=INT",
        )
        .until("success: first")
        .until("ready-middle")
        .until("success: last")
}

#[test]
fn term() {
    compare(&Scene { stop: Some(Signal::SIGTERM), cases: vec![three()], ..Scene::default() });
}

#[test]
fn int() {
    compare(&Scene { stop: Some(Signal::SIGINT), cases: vec![three()], ..Scene::default() });
}

#[test]
fn quit_with_nothing_to_stop() {
    let idle = Case::new("nothing runs").section("[program:idle]\ncommand=sleep 1000\nautostart=false").ctl("status");
    compare(&Scene { stop: Some(Signal::SIGQUIT), cases: vec![idle], ..Scene::default() });
}
