//! The control program: screens and exit codes, action by action.

use nix::sys::signal::Signal;

use super::case::{Case, Scene};
use super::compare::compare;

#[test]
fn actions_on_some() {
    let stay = "command=sleep 1000\nstartsecs=0";
    let scene = Scene {
        cases: vec![
            Case::new("status of some and of unknown ones")
                .program("runs", stay)
                .program("down", "command=sleep 1000\nautostart=false")
                .until("success: runs ")
                .ctl("status runs")
                .ctl("status down")
                .ctl("status runs down")
                .ctl("status down runs runs")
                .ctl("status nobody")
                .ctl("status nogroup:*")
                .ctl("status runs nobody")
                .ctl("status down nobody")
                .ctl("status runs:nobody")
                .ctl("status runs:runs"),
            Case::new("a name longer than the column")
                .program("a-name-that-is-much-longer-than-thirty-characters", stay)
                .until("success: a-name-that-is")
                .ctl("status a-name-that-is-much-longer-than-thirty-characters runs"),
            Case::new("start and stop of unknown ones")
                .ctl("start nobody")
                .ctl("start nogroup:*")
                .ctl("stop nobody")
                .ctl("stop nogroup:*")
                .ctl("restart nobody")
                .ctl("restart nogroup:*"),
            Case::new("several names, one unknown")
                .program("some", "command=sleep 1000\nautostart=false\nstartsecs=0")
                .ctl_sorted("start some nobody")
                .ctl_sorted("stop nobody some")
                .ctl("stop some"),
            Case::new("actions without names")
                .ctl_head("start")
                .ctl_head("stop")
                .ctl_head("restart")
                .ctl_head("signal")
                .ctl_head("signal HUP")
                .ctl_head("clear")
                .ctl_head("tail")
                .ctl_head("fg")
                .ctl_head("add")
                .ctl_head("remove"),
            Case::new("actions that take no names")
                .ctl_head("avail x")
                .ctl_head("reread x")
                .ctl_head("reload x")
                .ctl_head("shutdown x")
                .ctl_head("version x"),
            Case::new("no such action").ctl("frobnicate").ctl("Status").ctl("start-all"),
            Case::new("signal")
                .program(
                    "hear",
                    "command=sh -c \"trap 'echo heard' HUP; echo ready-hear; while :; do sleep 0.1; done\"\nstartsecs=0\n\
                     stdout_logfile=$DIR/hear.out",
                )
                .until("ready-hear")
                .ctl("signal HUP hear")
                .until("heard")
                .ctl("signal SIGHUP hear")
                .ctl("signal 1 hear")
                .ctl("signal NOSUCH hear")
                .ctl("signal 99999 hear")
                .ctl("signal HUP nobody")
                .ctl("signal HUP nogroup:*")
                .ctl("signal HUP down"),
            Case::new("signal that ends a process")
                .program("ended", "command=sleep 1000\nstartsecs=0\nautorestart=false")
                .until("success: ended ")
                .ctl("signal TERM ended")
                .until("exited: ended ")
                .ctl("signal TERM ended"),
            Case::new("pid")
                .program("pid-of", stay)
                .until("success: pid-of ")
                .ctl("pid down")
                .ctl("pid nobody")
                .ctl("pid nogroup:*"),
            Case::new("tail")
                .program(
                    "talk",
                    "command=sh -c \"printf 'one\\ntwo\\nthree\\n'; printf 'problem\\n' >&2\"\nstartsecs=0\nautorestart=false\n\
                     stdout_logfile=$DIR/talk.out\nstderr_logfile=$DIR/talk.err",
                )
                .except("> than 0 seconds", "the original tells of success when it sees the process alive before it sees it dead")
                .until("exited: talk ")
                .ctl("tail talk")
                .ctl("tail talk stdout")
                .ctl("tail talk stderr")
                .ctl("tail -6 talk")
                .ctl("tail -0 talk")
                .ctl("tail talk nochannel")
                .ctl("tail -x talk")
                .ctl("tail nobody")
                .ctl("tail down")
                .ctl("tail talk stdout more")
                .ctl("tail -f"),
            Case::new("maintail that cannot be").ctl("maintail -x").ctl_head("maintail one two").ctl("maintail one"),
            Case::new("clear of a running one")
                .program(
                    "wipe",
                    "command=sh -c \"echo ready-wipe; exec sleep 1000\"\nstartsecs=0\nstdout_logfile=$DIR/wipe.out",
                )
                .until("ready-wipe")
                .ctl("clear wipe")
                .file("wipe.out")
                .ctl("clear nobody"),
            Case::new("help").ctl("help nosuch").ctl("help help"),
            Case::new("fg that cannot be").ctl("fg nobody").ctl("fg down").ctl("fg runs down"),
            Case::new("add and remove that cannot be")
                .ctl("add runs")
                .ctl("add nobody")
                .ctl("remove runs")
                .ctl("remove nobody"),
            Case::new("open of no url").ctl("open nonsense"),
        ],
        ..Scene::default()
    };
    compare(&scene);
}

#[test]
fn actions_on_all() {
    let scene = Scene {
        cases: vec![
            Case::new("all, groups, avail")
                .section(
                    "[program:one]\ncommand=sleep 1000\nstartsecs=0\npriority=10\n\
                     [program:two]\ncommand=sleep 1000\nstartsecs=0\nnumprocs=2\nprocess_name=two_%(process_num)d\n\
                     [program:three]\ncommand=sleep 1000\nstartsecs=0\nautostart=false\n\
                     [program:four]\ncommand=sleep 1000\nstartsecs=0\npriority=5\n\
                     [group:mix]\nprograms=three,four\npriority=20",
                )
                .process("one")
                .process("two_0")
                .process("two_1")
                .process("three")
                .process("four")
                .until("success: one ")
                .until("success: four ")
                .until("success: two_1 ")
                .ctl("status")
                .ctl("status all")
                .ctl("avail")
                .ctl("version")
                .ctl("start all")
                .ctl_sorted("stop mix:*")
                .ctl("status mix:*")
                .ctl("stop mix:*")
                .ctl_sorted("start mix:")
                .ctl("stop two:two_1")
                .ctl("start two:two_1")
                .ctl_sorted("restart two:*")
                .ctl_sorted("signal CONT all")
                .ctl_sorted("signal CONT two:*")
                .ctl_sorted("clear all")
                .ctl("clear two:*")
                .ctl("tail two:*")
                .ctl("pid two:*")
                .ctl_sorted("stop all")
                .ctl("stop all")
                .ctl("pid all")
                .ctl("status")
                .ctl_sorted("restart all")
                .ctl("status")
                .intended(
                    "step 19: ctl clear two:*",
                    &["two:two_0: cleared", "two:two_1: cleared", "exit code: Some(0)"],
                    "a group is a name like others",
                )
                .intended("step 21: ctl pid two:*", &["N", "N", "exit code: Some(0)"], "a group is a name like others")
                .intended(
                    "step 7: ctl version",
                    &[env!("CARGO_PKG_VERSION"), "exit code: Some(0)"],
                    "the version of the program that runs",
                )
                .kill("one", Signal::SIGKILL)
                .until("exited: one ")
                .until_count("success: one ", 3),
        ],
        ..Scene::default()
    };
    compare(&scene);
}
