//! What programs depend on, as a whole configuration has it: names, mistakes, the keys of SONiC's files.

use visor::config::{Config, Mistake, NeedState, OnFailure, Overrides, Process, Reached, dump, read};

use crate::table::Table;

const MAIN: &str = "/here/main.conf";
const HEAD: &str = "[supervisord]\n";

fn result(text: &str) -> Result<Config, Vec<Mistake>> {
    read(&Table::with_file(MAIN, format!("{HEAD}{text}")), MAIN, &Overrides { strict: true, ..Overrides::default() })
}

fn good(text: &str) -> Config {
    result(text).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn mistakes(text: &str) -> Vec<String> {
    result(text).unwrap_err().iter().map(ToString::to_string).collect()
}

fn process<'c>(config: &'c Config, name: &str) -> &'c Process {
    config.groups.iter().flat_map(|group| &group.processes).find(|process| process.name == name).unwrap()
}

fn warnings(config: &Config) -> Vec<&str> {
    config.warnings.iter().map(|warning| warning.text.as_str()).collect()
}

#[test]
fn keys_are_read_dumped_and_absent_without_them() {
    let config = good(
        "[program:db]\ncommand=x\n[program:web]\ncommand=x\nnumprocs=2\nprocess_name=web_%(process_num)d\n\
         depends_on = db, jobs:migrate:exited, jobs:listed\non_dependency_failure=ignore\n\
         [group:jobs]\nprograms=migrate,index\n[program:migrate]\ncommand=x\n[program:index]\ncommand=x\ndepends_on=migrate:exited\n",
    );
    let text = dump(&config);
    for line in [
        "process:web:web_1.depends_on = \"db, jobs:migrate:exited, jobs:listed\"",
        "process:web:web_1.on_dependency_failure = ignore",
        "process:jobs:index.depends_on = \"migrate:exited\"",
    ] {
        assert!(text.lines().any(|known| known == line), "{line} in {text}");
    }
    assert!(!text.contains("dependent_startup"));
    assert_eq!(process(&config, "db").conditions, None);
    assert!(process(&config, "web_0").is_conditional() && warnings(&config).is_empty());
}

#[test]
fn numbered_programs_may_need_numbered_programs() {
    let config = good(
        "[program:db]\ncommand=x\nnumprocs=2\nprocess_name=db_%(process_num)d\n\
         [program:web]\ncommand=x\nnumprocs=2\nprocess_name=web_%(process_num)d\ndepends_on=db:db_%(process_num)d:started\n",
    );
    let need = &process(&config, "web_1").conditions.as_ref().unwrap().needs[0];
    assert_eq!((need.name.as_str(), need.states.as_slice()), ("db:db_1", [NeedState::Started].as_slice()));
}

#[test]
fn names_that_nobody_has_are_told_with_the_nearest_and_their_place() {
    let said = mistakes(
        "[program:databases]\ncommand=x\n[program:web]\ncommand=x\nnumprocs=3\nprocess_name=web_%(process_num)d\n\
         depends_on = databasse, web:web_2:redy\n",
    );
    assert_eq!(
        said,
        [
            "/here/main.conf:8: [program:web] depends_on: `databasse, web:web_2:redy`: there is no program or group `databasse`; \
             did you mean `databases`?",
            "/here/main.conf:8: [program:web] depends_on: `databasse, web:web_2:redy`: there is no program or group \
             `web:web_2:redy`; after a name stand listed, started, running, ready, healthy or exited",
        ]
    );
}

#[test]
fn program_with_a_mistake_of_its_own_is_not_called_unknown() {
    let said = mistakes("[program:db]\ncommand=x\npriority=high\n[program:web]\ncommand=x\ndepends_on=db, cache\n");
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("priority") && said[1].contains("`cache`"), "{said:?}");
}

#[test]
fn cycles_are_told_whole_and_each_once() {
    let said = mistakes(
        "[program:a]\ncommand=x\ndepends_on=b\n[program:b]\ncommand=x\ndepends_on=c:listed\n[program:c]\ncommand=x\ndepends_on=a\n\
         [program:d]\ncommand=x\ndepends_on=a\n[program:e]\ncommand=x\ndepends_on=f\n[program:f]\ncommand=x\ndepends_on=e\n",
    );
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("/here/main.conf:4: [program:a] depends_on:"), "{said:?}");
    assert!(said[0].ends_with("programs wait for each other: a -> b -> c -> a"), "{said:?}");
    assert!(said[1].ends_with("programs wait for each other: e -> f -> e"), "{said:?}");
}

#[test]
fn program_that_needs_itself_or_its_own_group_is_refused() {
    let said = mistakes("[program:a]\ncommand=x\ndepends_on=a\n");
    assert!(said.len() == 1 && said[0].ends_with("`a` is the program itself"), "{said:?}");
    let said =
        mistakes("[group:g]\nprograms=a,b\n[program:a]\ncommand=x\n[program:b]\ncommand=x\ndepends_on=g:started\n");
    assert!(said.len() == 1 && said[0].ends_with("`g:started` is the program itself"), "{said:?}");
}

#[test]
fn states_that_never_come_are_refused_or_remarked() {
    let said = mistakes("[program:db]\ncommand=x\n[program:web]\ncommand=x\ndepends_on=db:ready, db:healthy\n");
    assert!(said[0].ends_with("`db:ready`: [program:db] has no `ready`"), "{said:?}");
    assert!(said[1].ends_with("`db:healthy`: [program:db] has no `health`"), "{said:?}");
    let config = good(
        "[program:db]\ncommand=x\nautorestart=true\n[program:web]\ncommand=x\nnumprocs=2\nprocess_name=%(process_num)d\n\
         depends_on=db:exited\n",
    );
    let remark =
        "[program:web] depends_on: `db:exited`: [program:db] has autorestart=true, it starts again when it ends";
    assert_eq!(warnings(&config), [remark]);
}

#[test]
fn nonsense_is_told_with_its_key() {
    let said =
        mistakes("[program:a]\ncommand=x\ndepends_on=:ready\non_dependency_failure=panic\ndependent_startup=maybe\n");
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("depends_on: `:ready`: `:ready` names no program"), "{said:?}");
    assert!(said[1].contains("on_dependency_failure: `panic`: `panic` is no choice: fail, wait or ignore"), "{said:?}");
    assert!(said[2].contains("dependent_startup: `maybe`:"), "{said:?}");
}

const LISTENER: &str =
    "[eventlistener:order]\ncommand=python3 -m supervisord_dependent_startup\nevents=PROCESS_STATE\n";

#[test]
fn sonics_keys_mean_what_the_listener_does_and_it_is_not_started() {
    let config = good(&format!(
        "{LISTENER}[program:log]\ncommand=x\nautostart=false\ndependent_startup=true\n\
         [group:relays]\nprograms=relay\n[program:relay]\ncommand=x\nautostart=false\ndependent_startup=true\n\
         dependent_startup_wait_for=log:RUNNING init:exited,fatal\ndependent_startup_inherit_priority=true\n\
         [program:init]\ncommand=x\nautostart=false\ndependent_startup=true\ndependent_startup_wait_for=log\n\
         [program:mon]\ncommand=x\ndependent_startup=true\ndependent_startup_wait_for=relay:running\n\
         [program:byhand]\ncommand=x\nautostart=false\ndependent_startup_wait_for=log:running\n"
    ));
    let relay = process(&config, "relay").conditions.as_ref().unwrap();
    assert_eq!(relay.on_failure, OnFailure::Wait);
    assert_eq!(relay.needs[1].states, [NeedState::Reached(Reached::Exited), NeedState::Reached(Reached::Fatal)]);
    for (name, starts) in [("log", true), ("relay", true), ("mon", true), ("byhand", false), ("order", false)] {
        assert_eq!(process(&config, name).starts_at_boot(), starts, "{name}");
    }
    assert!(!process(&config, "byhand").is_conditional());
    let text = dump(&config);
    for line in [
        "dependent_startup_wait_for = \"log:running init:exited,fatal\"",
        "dependent_startup = true",
        "on_dependency_failure = wait",
    ] {
        assert!(text.contains(&format!("process:relays:relay.{line}\n")), "{line} in {text}");
    }
    assert_eq!(
        warnings(&config),
        ["[eventlistener:order] command: visor does what this listener is for: it is not started"]
    );
}

#[test]
fn what_sonics_listener_passes_over_is_passed_over_and_told() {
    let config = good(
        "[program:a]\ncommand=x\ndependent_startup=true\ndependent_startup_wait_for=nobody:running b:ready,running nothing b:sleeping\n\
         [program:b]\ncommand=x\n",
    );
    let needs = &process(&config, "a").conditions.as_ref().unwrap().needs;
    assert_eq!(needs.len(), 1);
    assert_eq!(needs[0].to_string(), "b:running");
    assert_eq!(warnings(&config).len(), 4, "{:?}", warnings(&config));
    let said = mistakes(
        "[program:a]\ncommand=x\ndependent_startup=true\ndependent_startup_wait_for=b\n\
         [program:b]\ncommand=x\ndependent_startup=true\ndependent_startup_wait_for=a:exited\n",
    );
    assert!(
        said.len() == 1 && said[0].contains("dependent_startup_wait_for") && said[0].ends_with("a -> b -> a"),
        "{said:?}"
    );
}

#[test]
fn listener_without_any_program_to_start_is_left_alone() {
    let config = good(&format!("{LISTENER}[program:a]\ncommand=x\n"));
    assert!(process(&config, "order").starts_at_boot() && warnings(&config).is_empty());
}
