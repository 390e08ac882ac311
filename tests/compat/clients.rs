//! Clients that others wrote, unmodified, with either daemon: Ansible's module, libraries for Node.js, a check for
//! Nagios, a listener that starts programs in an order of its own.

use super::case::Door::{Inet, Unix};
use super::case::{Case, Client, Door, Scene, Step};
use super::compare::compare;
use super::original;

fn play(door: Door, case: Case) {
    compare(&Scene { client: Client::Original(door), cases: vec![case], ..Scene::default() });
}

const PROGRAMS: &str = "[program:alive]\ncommand=sleep 1000\nstartsecs=0\n\
    [program:idle]\ncommand=sleep 1000\nstartsecs=0\nautostart=false\n\
    [program:missing]\ncommand=/nowhere/x\nautostart=false\n\
    [program:echoes]\ncommand=cat\nstartsecs=0\n\
    [program:texts]\ncommand=sh -c 'echo first; echo größer; exec sleep 1000'\nstartsecs=0\n\
    [group:pair]\nprograms=left,right\n\
    [program:left]\ncommand=sleep 1000\nstartsecs=0\n\
    [program:right]\ncommand=sleep 1000\nstartsecs=0\n";

fn case(name: &'static str) -> Case {
    let case = Case::new(name).section(PROGRAMS);
    case.until("größer")
        .until("success: right ")
        .until("success: alive ")
        .until("success: echoes ")
        .until("success: texts ")
}

/// With the original's control program, which speaks to the gateway, and with each side's own.
fn ansible(words: &'static [&'static str], door: Door) {
    if !original::has_ansible() {
        return;
    }
    let case = case("Ansible's module")
        .given("ansible.py", 0o644, include_str!("ansible.py"))
        .given("playbook.yml", 0o644, include_str!("playbook.yml"))
        .step(Step::Program(words));
    play(door, case);
}

#[test]
fn ansible_with_the_original_control_program() {
    ansible(&["$PYTHON", "$DIR/ansible.py", "$TOOLS/ansible", "$VENV/supervisorctl", "$DIR", "all"], Inet);
}

#[test]
fn ansible_with_our_control_program() {
    ansible(&["$PYTHON", "$DIR/ansible.py", "$TOOLS/ansible", "$BIN/supervisorctl", "$DIR", "short"], Unix);
}

#[test]
fn node() {
    if !original::has_node() {
        return;
    }
    let case = case("clients for Node.js").given("node.js", 0o644, include_str!("node.js")).step(Step::Program(&[
        "env",
        "NODE_PATH=$TOOLS/node/node_modules",
        "node",
        "--no-deprecation",
        "$DIR/node.js",
        "$PORT",
        "boss",
        "c:o=p&p er<",
    ]));
    play(Inet, case);
}

#[test]
fn nagios() {
    if !original::has_clients() {
        return;
    }
    const CHECK: &str = "$PYTHON";
    let check = |words| Step::Program(words);
    let case = case("a check for Nagios")
        .ctl("start missing")
        .step(check(&[CHECK, "$VENV/check_supervisord.py", "-s", "$DIR/ctl.sock", "-p", "0"]))
        .step(check(&[CHECK, "$VENV/check_supervisord.py", "-s", "unix://$DIR/ctl.sock", "-p", "0"]));
    play(Unix, case);
}

#[test]
fn dependent_startup() {
    if !original::has_clients() {
        return;
    }
    let case = Case::new("programs started one after the other, by a listener there and by visor itself here")
        .section("[eventlistener:order]\ncommand=$VENV/supervisord-dependent-startup -c $DIR/supervisord.conf\nevents=PROCESS_STATE\nautostart=true\nbuffer_size=100")
        .section("[program:zz_first]\ncommand=sleep 1000\nautostart=false\nstartsecs=0\ndependent_startup=true")
        .section("[program:mm_second]\ncommand=sleep 1000\nautostart=false\nstartsecs=1\ndependent_startup=true\ndependent_startup_wait_for=zz_first:running")
        .section("[program:aa_third]\ncommand=sleep 1000\nautostart=false\nstartsecs=0\ndependent_startup=true\ndependent_startup_wait_for=mm_second:running")
        .process("zz_first")
        .process("mm_second")
        .process("aa_third")
        .except("dependent_startup", "visor does the listener's work itself, and says that it does not start it")
        .except("INFO waiting: ", "visor says what a program waits for")
        .until("success: aa_third ")
        .ctl("status zz_first mm_second aa_third");
    // What the listener itself says is not compared.
    let supervisord = "loglevel=info\n";
    compare(&Scene { supervisord, client: Client::Original(Unix), cases: vec![case], ..Scene::default() });
}
