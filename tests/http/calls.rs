//! What the methods do, where a unit test cannot see it.

use std::time::Duration;

use visor::http::xml::{Reply, Value};

use crate::client::{Plan, Site, basic, post, reply, text};

const PROGRAMS: &str = "[program:cat]\ncommand=/bin/cat\n[program:off]\ncommand=/bin/sleep 1000\nautostart=false\nstartsecs=0\n\
    [program:gone]\ncommand=$DIR/nothing\nautostart=false\n[program:web]\ncommand=/bin/sleep 1000\nnumprocs=2\n\
    process_name=%(program_name)s_%(process_num)d\nautostart=false\nstartsecs=0\n";

#[test]
fn processes_are_started_asked_about_and_stopped() {
    let site = Site::with(PROGRAMS);
    let yes = Value::Bool(true);
    assert_eq!(site.result("supervisor.startProcess", &[text("off")]), yes);
    let info = site.result("supervisor.getProcessInfo", &[text("off")]);
    assert_eq!((info.member("statename"), info.member("state")), (Some(&text("RUNNING")), Some(&Value::Int(20))));
    assert_eq!(info.member("pid"), Some(&Value::Int(site.daemon.pid_of("off"))));
    assert_eq!(site.fault("supervisor.startProcess", &[text("off")]), "ALREADY_STARTED: off");
    assert_eq!(site.result("supervisor.stopProcess", &[text("off")]), yes);
    assert_eq!(site.fault("supervisor.stopProcess", &[text("off")]), "NOT_RUNNING: off");
    assert_eq!(site.fault("supervisor.startProcess", &[text("all")]), "BAD_NAME: all");
    assert!(site.fault("supervisor.startProcess", &[text("gone")]).starts_with("NO_FILE: "));
}

#[test]
fn groups_give_a_list_with_a_struct_for_each() {
    let site = Site::with(PROGRAMS);
    for (method, name) in [("supervisor.startProcessGroup", "web"), ("supervisor.stopProcess", "web:*")] {
        let Value::Array(items) = site.result(method, &[text(name)]) else { panic!("a list") };
        assert_eq!(items.len(), 2);
        for item in items {
            assert_eq!((item.member("group"), item.member("status")), (Some(&text("web")), Some(&Value::Int(80))));
        }
    }
    assert_eq!(site.result("supervisor.stopProcessGroup", &[text("web")]), Value::Array(Vec::new()));
    assert_eq!(site.fault("supervisor.startProcessGroup", &[text("web:web_0")]), "BAD_NAME: web:web_0");
}

#[test]
fn several_calls_in_one_are_done_in_order_and_their_results_are_bare() {
    let site = Site::with(PROGRAMS);
    let call =
        |name: &str, params: Vec<Value>| Value::record([("methodName", text(name)), ("params", Value::Array(params))]);
    let calls = vec![
        call("supervisor.startProcess", vec![text("off")]),
        call("supervisor.stopProcess", vec![text("off")]),
        call("supervisor.stopProcess", vec![text("off")]),
        call("system.multicall", vec![Value::Array(Vec::new())]),
        Value::Struct(Vec::new()),
        text("nothing"),
        Value::record([("methodName", text("supervisor.getAPIVersion"))]),
    ];
    let Value::Array(results) = site.result("system.multicall", &[Value::Array(calls)]) else { panic!("a list") };
    let fault = |index: usize| results[index].member("faultString").cloned();
    assert_eq!(&results[..2], &[Value::Bool(true), Value::Bool(true)]);
    assert_eq!(fault(2), Some(text("NOT_RUNNING: off")));
    assert_eq!(fault(3), Some(text("INCORRECT_PARAMETERS: Recursive system.multicall forbidden")));
    assert_eq!(fault(4), Some(text("INCORRECT_PARAMETERS: No methodName")));
    assert!(fault(5).is_some());
    assert_eq!(results[6], text("3.0"));
}

#[test]
fn stdin_gets_what_is_sent_also_in_pieces_and_binary() {
    let site = Site::with("[program:cat]\ncommand=/bin/cat\nstdout_logfile=$DIR/cat.log\n");
    site.daemon.wait_for_state("cat", "RUNNING");
    let long = "é23456789\n".repeat(5_000);
    assert_eq!(site.result("supervisor.sendProcessStdin", &[text("cat"), text(&long)]), Value::Bool(true));
    site.daemon.wait_for_file("cat.log", |log| log == long);
    site.result("supervisor.clearProcessLogs", &[text("cat")]);
    site.result("supervisor.sendProcessStdin", &[text("cat"), Value::Base64(b"\0\n".to_vec())]);
    site.daemon.wait_for_file("cat.log", |log| log == "\0\n");
    assert_eq!(site.fault("supervisor.sendProcessStdin", &[text("cat"), Value::Int(5)]), "INCORRECT_PARAMETERS: 5");
    assert_eq!(site.fault("supervisor.sendProcessStdin", &[text("x"), text("")]), "BAD_NAME: x");
}

#[test]
fn process_that_does_not_read_its_stdin_is_a_failure_that_says_so() {
    let site = Site::with("[program:deaf]\ncommand=/bin/sleep 1000\n");
    site.daemon.wait_for_state("deaf", "RUNNING");
    let much = "x".repeat(200_000);
    let Reply::Fault(30, text) = site.call("supervisor.sendProcessStdin", &[text("deaf"), text(&much)]) else {
        panic!("a failure")
    };
    assert!(text.starts_with("FAILED: "), "{text}");
}

#[test]
fn configuration_is_read_again_and_groups_come_and_go() {
    let site = Site::with(PROGRAMS);
    let conf = std::fs::read_to_string(site.daemon.file("visor.conf")).unwrap();
    let more = format!("{conf}\n[program:new]\ncommand=/bin/cat\n");
    std::fs::write(site.daemon.file("visor.conf"), more.replace("[program:gone]", "[program:other]")).unwrap();
    let names = |names: &[&str]| Value::Array(names.iter().map(|name| text(name)).collect());
    let expected = Value::Array(vec![Value::Array(vec![names(&["other", "new"]), names(&[]), names(&["gone"])])]);
    let got = site.result("supervisor.reloadConfig", &[]);
    let sorted = |value: &Value| format!("{value:?}").contains("\"new\"");
    assert!(got == expected || (sorted(&got) && format!("{got:?}").contains("\"gone\"")), "{got:?}");
    assert_eq!(site.result("supervisor.removeProcessGroup", &[text("gone")]), Value::Bool(true));
    assert_eq!(site.fault("supervisor.removeProcessGroup", &[text("gone")]), "BAD_NAME: gone");
    assert_eq!(site.fault("supervisor.removeProcessGroup", &[text("cat")]), "STILL_RUNNING: cat");
    assert_eq!(site.result("supervisor.addProcessGroup", &[text("new")]), Value::Bool(true));
    assert_eq!(site.fault("supervisor.addProcessGroup", &[text("new")]), "ALREADY_ADDED: new");
    std::fs::write(site.daemon.file("visor.conf"), "[program:x]\n").unwrap();
    assert!(site.fault("supervisor.reloadConfig", &[]).starts_with("CANT_REREAD: "));
    assert!(site.fault("supervisor.restart", &[]).starts_with("CANT_REREAD: "));
}

#[test]
fn while_visor_goes_down_every_call_says_so_but_those_of_system() {
    let site = Site::with(
        "[program:stubborn]\ncommand=/bin/sh -c 'trap \"\" TERM; while :; do sleep 0.1; done'\nstopwaitsecs=5\n",
    );
    site.daemon.wait_for_state("stubborn", "RUNNING");
    let mut http = site.unix();
    assert_eq!(http.call("supervisor.shutdown", &[]), Reply::Value(Value::Bool(true)));
    for method in
        ["supervisor.getState", "supervisor.getAPIVersion", "supervisor.getAllProcessInfo", "supervisor.shutdown"]
    {
        assert_eq!(http.call(method, &[]), Reply::Fault(6, "SHUTDOWN_STATE".to_owned()), "{method}");
    }
    assert!(matches!(http.call("system.listMethods", &[]), Reply::Value(Value::Array(names)) if names.len() == 41));
    site.daemon.wait_exit(Duration::from_secs(30));
}

#[test]
fn read_only_login_looks_and_changes_nothing() {
    let door = "username=boss\npassword=secret\nreadonly_username=guest\nreadonly_password=visit\n";
    let site = Site::start(&Plan { door, conf: PROGRAMS, ..Plan::default() });
    let guest = basic("guest", "visit");
    let call = |method: &str, params: &[Value], login: &str| reply(&site.inet().exchange(&post(method, params, login)));
    assert!(matches!(call("supervisor.getAllProcessInfo", &[], &guest), Reply::Value(Value::Array(_))));
    for (method, params) in [("supervisor.startProcess", vec![text("off")]), ("supervisor.shutdown", Vec::new())] {
        let Reply::Fault(30, said) = call(method, &params, &guest) else { panic!("{method} is refused") };
        assert!(said.contains("look"), "{said}");
    }
    let calls = Value::Array(vec![Value::record([("methodName", text("supervisor.shutdown"))])]);
    let Reply::Value(Value::Array(results)) = call("system.multicall", &[calls], &guest) else { panic!("a list") };
    assert_eq!(results[0].member("faultCode"), Some(&Value::Int(30)));
    assert_eq!(site.daemon.state_of("off"), "STOPPED");
    assert_eq!(
        call("supervisor.startProcess", &[text("off")], &basic("boss", "secret")),
        Reply::Value(Value::Bool(true))
    );
}
