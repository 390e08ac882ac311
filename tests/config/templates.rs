//! Templates, sources of the environment and where options come from, as a whole configuration has them.

use std::sync::Arc;

use visor::config::{Config, Explained, Mistake, Overrides, Process, dump, explain, read};

use crate::table::Table;

const MAIN: &str = "/here/main.conf";
const EXTRA: &str = "/here/sub/extra.conf";

fn good(text: &str) -> Config {
    read(&Table::with_file(MAIN, text), MAIN, &Overrides::default()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

fn mistakes(text: &str) -> Vec<String> {
    let overrides = Overrides { strict: true, ..Overrides::default() };
    let found: Vec<Mistake> = read(&Table::with_file(MAIN, text), MAIN, &overrides).unwrap_err();
    found.iter().map(ToString::to_string).collect()
}

/// The dumped lines of process `name` that begin with `key`.
fn lines(config: &Config, name: &str, key: &str) -> Vec<String> {
    let start = format!("process:{name}.");
    let text = dump(config);
    let own = text.lines().filter_map(|line| line.strip_prefix(&start)).filter(|line| line.starts_with(key));
    own.map(str::to_owned).collect()
}

#[test]
fn template_of_an_included_file_is_expanded_for_who_has_it() {
    let mut table = Table::with_file(
        MAIN,
        "[supervisord]\n[include]\nfiles=sub/extra.conf\n[program:a]\nextends=worker\nnumprocs=2\nprocess_name=a%(process_num)d\n\
         [program:b]\nextends=worker\n",
    );
    table.files.insert(
        EXTRA.into(),
        b"[template:worker]\ncommand=run %(program_name)s %(process_num)d %(here)s\nsecret=KEY:%(here)s/%(program_name)s.key\n".to_vec(),
    );
    table.globs.insert(EXTRA.into(), vec![EXTRA.into()]);
    let config = read(&table, MAIN, &Overrides::default()).unwrap();
    assert_eq!(lines(&config, "a:a0", "command"), ["command = \"run a 0 /here/sub\""]);
    assert_eq!(lines(&config, "a:a1", "command"), ["command = \"run a 1 /here/sub\""]);
    assert_eq!(lines(&config, "b:b", "secret"), ["secret.KEY = \"/here/sub/b.key\""]);
}

#[test]
fn empty_key_is_none_where_a_template_has_one() {
    let config = good(
        "[supervisord]\n[program-default]\ncommand=x\nready=file:/r\nhealth=file:/h\nschedule=every 5m\ntype=service\n\
         depends_on=db\npre_start=p\n[program:db]\nready=\nhealth=\nschedule=\ndepends_on=\npre_start=\n[program:web]\n",
    );
    let process = |name: &str| &config.groups.iter().find(|group| group.name == name).unwrap().processes[0];
    let (db, web) = (process("db"), process("web"));
    assert!(web.waits_for_ready() && web.has_health() && web.schedule.is_some() && web.is_gated());
    assert!(!db.waits_for_ready() && !db.has_health() && db.schedule.is_none() && !db.is_gated() && db.autostart);
}

#[test]
fn sources_are_understood_and_absent_without_their_keys() {
    let config = good(
        "[supervisord]\nuser=web\n[program:x]\ncommand=x\nenv_file=/a, - b/c ,-~/d\nenv_dir = /e\nsecret=S:/s,\n  T : -/t\n\
         user_env=true\nclear_env=true\n[program:plain]\ncommand=x\nuser_env=false\nenv_file=\n",
    );
    assert_eq!(lines(&config, "x:x", "env_"), ["env_file = \"/a, -/cwd/b/c, -/root/d\"", "env_dir = \"/e\""]);
    assert_eq!(lines(&config, "x:x", "secret"), ["secret.S = \"/s\"", "secret.T = \"-/t\""]);
    assert_eq!(lines(&config, "x:x", "user_env"), ["user_env = \"web\""]);
    assert_eq!(lines(&config, "x:x", "clear_env"), ["clear_env = true"]);
    let plain = config.groups.iter().find(|group| group.name == "plain").unwrap();
    assert_eq!(plain.processes[0].sources, None);
}

#[test]
fn wrong_sources_are_told_where_they_stand() {
    let found = mistakes(
        "[supervisord]\n[template:t]\nsecret=/run/x\n[program:a]\ncommand=x\nextends=t\nsecret=1X:/y, OK:/z, E:\n[program:b]\ncommand=x\n\
         extends=t\nuser=4321\nuser_env=true\nenv_file=-\nclear_env=perhaps\nenv_fil=x\n[template:u]\nstartsec=1\n[programdefault]\n",
    );
    assert_eq!(
        found,
        [
            "/here/main.conf:3: [template:t] secret: `/run/x`: not `NAME:/path/of/a/file`: '/run/x'",
            "/here/main.conf:7: [program:a] secret: `1X:/y, OK:/z, E:`: not a name of a variable: '1X'",
            "/here/main.conf:7: [program:a] secret: `1X:/y, OK:/z, E:`: not a path: ''",
            "/here/main.conf:12: [program:b] user_env: `true`: the password database does not have the user with the number 4321",
            "/here/main.conf:13: [program:b] env_file: `-`: not a path: '-'",
            "/here/main.conf:14: [program:b] clear_env: `perhaps`: not a valid boolean value: 'perhaps'",
            "/here/main.conf:15: [program:b] env_fil: unknown key `env_fil`; did you mean `env_file`?",
            "/here/main.conf:17: [template:u] startsec: unknown key `startsec`; did you mean `startsecs`?",
            "/here/main.conf:18: [programdefault]: unknown section; did you mean `program-default`?",
        ]
    );
}

#[test]
fn mistake_of_a_template_is_told_once_and_where_it_stands() {
    let found = mistakes(
        "[supervisord]\n[program-default]\nstartsecs=soon\n[program:a]\ncommand=x\n[program:b]\ncommand=x\n[template:t]\nextends=u\n",
    );
    assert_eq!(
        found,
        [
            "/here/main.conf:3: [program-default] startsecs: `soon`: invalid literal for int() with base 10: 'soon'",
            "/here/main.conf:9: [template:t] extends: `u`: there is no [template:u]",
        ]
    );
}

#[test]
fn listeners_have_no_defaults_but_may_extend() {
    let config = good(
        "[supervisord]\n[program-default]\npriority=5\nredirect_stderr=true\n[template:t]\nbuffer_size=77\nevents=TICK_5\n\
         [eventlistener:l]\ncommand=x\nextends=t\n[fcgi-program:f]\ncommand=x\nsocket=tcp://h:1\n",
    );
    assert!(dump(&config).contains("group:l.buffer_size = 77\n"));
    assert!(dump(&config).contains("group:l.priority = -1\n"));
    assert_eq!(lines(&config, "l:l", "priority"), ["priority = 999"]);
    assert_eq!(lines(&config, "f:f", "priority"), ["priority = 5"]);
}

#[test]
fn names_of_the_environment_may_have_defaults_in_every_value() {
    let mut table = Table::with_file(
        MAIN,
        "[supervisord]\nloglevel=%(ENV_LEVEL:-debug)s\n[program:x]\ncommand=serve %(ENV_PORT:-80)s\nstartsecs=%(ENV_SECS:-7)s\n\
         environment=URL=\"%(ENV_URL:-http://x/a?b=c)s\"\n",
    );
    table.environment.insert("PORT".into(), "8080".into());
    let config = read(&table, MAIN, &Overrides::default()).unwrap();
    assert_eq!(lines(&config, "x:x", "command"), ["command = \"serve 8080\""]);
    assert_eq!(lines(&config, "x:x", "startsecs"), ["startsecs = 7"]);
    assert_eq!(lines(&config, "x:x", "environment"), ["environment.URL = \"http://x/a?b=c\""]);
    let found = mistakes("[supervisord]\n[program:x]\ncommand=%(ENV_A:?say which)s %(ENV_B?)s\n");
    assert_eq!(
        found,
        [
            "/here/main.conf:3: [program:x] command: `%(ENV_A:?say which)s %(ENV_B?)s`: the environment variable `A` is not set or \
          empty: say which; the environment variable `B` is not set"
        ]
    );
}

fn explained(text: &str, name: &str, running: Option<&Arc<Process>>) -> Vec<Explained> {
    explain(&Table::with_file(MAIN, text), MAIN, &Overrides::default(), name, &|_, _| running.cloned()).unwrap()
}

#[test]
fn every_option_has_its_place_and_what_runs_instead() {
    let text = "[DEFAULT]\numask=022\n[supervisord]\nenvironment=A=1,B=1\n[program-default]\nstartsecs=2\nenvironment=B=2,\n  C=2\n\
                [program:x]\ncommand=x\nenvironment=C=3\n[eventlistener:l]\ncommand=l\nevents=EVENT\n";
    let found = explained(text, "x", None);
    let [x] = &found[..] else { panic!("{found:?}") };
    let place = |key: &str| {
        let setting = x.settings.iter().find(|setting| setting.key == key).unwrap_or_else(|| panic!("{key} in {x:?}"));
        setting.place.as_ref().map(|place| (place.line, place.section.as_str()))
    };
    for (key, expected) in [
        ("command", Some((10, "program:x"))),
        ("umask", Some((2, "DEFAULT"))),
        ("startsecs", Some((6, "program-default"))),
        ("priority", None),
        ("environment.A", Some((4, "supervisord"))),
        ("environment.B", Some((7, "program-default"))),
        ("environment.C", Some((11, "program:x"))),
    ] {
        assert_eq!(place(key), expected, "{key}");
    }
    assert!(x.settings.iter().all(|setting| setting.running.is_none()));
    let listener = &explained(text, "l:*", None)[0];
    let events = listener.settings.iter().find(|setting| setting.key == "events").unwrap();
    assert_eq!((events.value.as_str(), events.place.as_ref().unwrap().line), ("EVENT", 14));

    let process = good(text).groups.iter().find(|group| group.name == "x").unwrap().processes[0].clone();
    let other = text.replace("C=3", "C=4").replace("startsecs=2", "clear_env=on");
    let found = explained(&other, "all", Some(&process));
    assert_eq!(found.len(), 2);
    let x = found.iter().find(|it| it.process == "x").unwrap();
    let running: Vec<_> =
        x.settings.iter().filter_map(|it| Some((it.key.as_str(), it.value.as_str(), it.running.as_deref()?))).collect();
    assert_eq!(
        running,
        [("startsecs", "1", "2"), ("environment.C", "(not shown)", "(not shown)"), ("clear_env", "true", "none"),]
    );
    assert_eq!(explained(text, "nobody", None), []);
}
