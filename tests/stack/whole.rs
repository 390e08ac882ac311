//! A whole stack from one file: a database that says when it is ready, a migration after it, a web program after that, nginx before
//! it all, a job on a schedule, and one program whose end is the end of everything.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::unistd::Uid;

use crate::servers::{Ports, http_get};
use crate::support::{Daemon, clean_command, descendants, eventually, left_out};

/// How long everything may take to stop.
const SHUTDOWN: Duration = Duration::from_secs(20);
/// What the essential program leaves with.
const CODE: i32 = 7;

/// What the web program is: it asks the database for every page, and is well until told otherwise.
const WEB: &str = "
import http.server, os, subprocess, sys
psql, database, port, ill = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == '/well':
            return self.answer(503 if os.path.exists(ill) else 200, '')
        rows = subprocess.run([psql, '-Atc', 'select count(*) from runs', database], capture_output=True, text=True)
        self.answer(200 if rows.returncode == 0 else 500, rows.stdout.strip())

    def answer(self, code, text):
        self.send_response(code)
        self.end_headers()
        self.wfile.write(text.encode())

if os.path.exists(ill):
    os.remove(ill)
http.server.ThreadingHTTPServer(('127.0.0.1', port), Page).serve_forever()
";

/// Where PostgreSQL's own programs are.
fn postgres_place() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    versions.flatten().map(|version| version.path().join("bin")).find(|bin| bin.join("initdb").exists())
}

/// The directory of PostgreSQL's programs, when all that this test needs is there.
fn needs(what: &str) -> Option<PathBuf> {
    let Some(place) = postgres_place() else {
        left_out(&format!("{what}: no PostgreSQL"));
        return None;
    };
    for program in ["nginx", "python3"] {
        if let Err(error) = clean_command(program).arg("--version").output() {
            left_out(&format!("{what}: {program}: {error}"));
            return None;
        }
    }
    Some(place)
}

struct Whole {
    daemon: Daemon,
    ports: Ports,
}

/// The file. PostgreSQL refuses to be root, so that root gives it to its own user.
fn programs(postgres: &Path, ready: &str, database: u16, ports: Ports) -> String {
    let bin = postgres.display();
    let (user, owner) = if Uid::effective().is_root() { ("user=postgres", "-o postgres") } else { ("", "") };
    let (web, http) = (ports.redis, ports.http);
    let psql = format!("{bin}/psql");
    let login = format!("host=127.0.0.1 port={database} user=postgres dbname=postgres");
    format!(
        "[program-default]
stopwaitsecs=10
log_format=prefix

[program:place]
type=oneshot
command=/bin/sh -c 'chmod 755 $DIR && install -d -m 700 {owner} $DIR/pg'

[program:postgres]
command={bin}/postgres -D $DIR/pg/data -k $DIR/pg -c listen_addresses=127.0.0.1 -p {database}
{user}
depends_on=place:exited
pre_start=/bin/sh -c 'test -e $DIR/pg/data/PG_VERSION || exec {bin}/initdb -D $DIR/pg/data -U postgres -A trust -N --no-instructions'
hook_timeout=1m
ready={ready}
stopsignal=INT
redirect_stderr=true
stdout_logfile=$DIR/postgres.log

[program:migrate]
type=oneshot
depends_on=postgres:ready
command={psql} -v ON_ERROR_STOP=1 -c 'create table if not exists runs (at timestamptz default now())' '{login}'

[program:web]
command=python3 $DIR/web.py {psql} '{login}' {web} $DIR/ill
depends_on=migrate:exited
ready=http://127.0.0.1:{web}/well
ready_interval=100ms
health=http://127.0.0.1:{web}/well
health_interval=200ms
health_retries=1
redirect_stderr=true
stdout_logfile=$DIR/web.log

[program:nginx]
command=nginx -p $DIR -c $DIR/nginx.conf -e stderr
depends_on=web:ready
ready=tcp:127.0.0.1:{http}
ready_interval=100ms

[program:nightly]
schedule=every 1s
depends_on=migrate:exited
command={psql} -c 'insert into runs default values' '{login}'

[program:essential]
essential=true
autorestart=false
depends_on=nginx:ready, nightly:listed
command=/bin/sh -c 'read code <$DIR/end; exit $code'
"
    )
}

/// nginx before the web program, with everything of its own in the test's directory.
fn nginx_conf(ports: Ports) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = kinds.map(|kind| format!("    {kind}_temp_path $DIR/{kind};\n")).concat();
    let (http, web) = (ports.http, ports.redis);
    format!(
        "daemon off;
pid $DIR/nginx.pid;
error_log stderr notice;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
{temporary}    access_log /dev/stdout;
    server {{
        listen 127.0.0.1:{http};
        location / {{ proxy_pass http://127.0.0.1:{web}; }}
    }}
}}
"
    )
}

/// The line of the log that begins so, as a number, from its start.
fn place_of(log: &str, phrase: &str) -> usize {
    log.find(phrase).unwrap_or_else(|| panic!("`{phrase}` is in the log:\n{log}"))
}

fn check_order(log: &str, phrases: &[&str]) {
    let places: Vec<usize> = phrases.iter().map(|phrase| place_of(log, phrase)).collect();
    assert!(places.is_sorted(), "{phrases:?} are at {places:?} of\n{log}");
}

impl Whole {
    /// Everything is up, each after what it needs.
    fn start(postgres: &Path, ready: &str) -> Whole {
        let ports = Ports::free();
        let database = Ports::free().http;
        let ready = ready.replace("PORT", &database.to_string());
        let daemon = Daemon::builder()
            .conf(&programs(postgres, &ready, database, ports))
            .given("web.py", 0o644, WEB)
            .given("nginx.conf", 0o644, &nginx_conf(ports))
            .start();
        nix::unistd::mkfifo(&daemon.file("end"), nix::sys::stat::Mode::S_IRWXU).expect("a fifo");
        for name in ["postgres", "web", "nginx"] {
            daemon.wait_for_log(&format!("success: {name} entered RUNNING state, it is ready"));
        }
        Whole { daemon, ports }
    }

    /// How often the job ran, as the page says.
    fn runs(&self) -> Option<u32> {
        let (status, body) = http_get(self.ports.http, "/");
        status.contains(" 200 ").then(|| body.trim().parse().expect("a number"))
    }

    /// Another run of the job is on the page.
    fn job_runs(&self) {
        let before = self.runs();
        eventually("the job runs again", || (self.runs() > before).then_some(()));
    }
}

fn whole_stack(postgres: &Path, ready: &str) {
    let whole = Whole::start(postgres, ready);
    let daemon = &whole.daemon;
    whole.job_runs();
    let log = daemon.read("visor.log");
    let up = [
        "exited: place (exit status 0; expected)",
        "success: postgres entered RUNNING state, it is ready",
        "spawned: 'migrate'",
        "exited: migrate (exit status 0; expected)",
        "spawned: 'web'",
        "success: web entered RUNNING state, it is ready",
        "spawned: 'nginx'",
    ];
    check_order(&log, &up);
    sick_program_is_started_again(&whole);
    end_of_the_essential_program_ends_everything(whole);
}

fn sick_program_is_started_again(whole: &Whole) {
    let (web, nginx) = (whole.daemon.pid_of("web"), whole.daemon.pid_of("nginx"));
    fs::write(whole.daemon.file("ill"), "").expect("a file");
    whole.daemon.wait_for_log("unhealthy: web");
    whole.daemon.process().wait_for_log_count("success: web entered RUNNING state", 2);
    assert_ne!(whole.daemon.pid_of("web"), web, "it is another one");
    assert_eq!(whole.daemon.pid_of("nginx"), nginx, "nginx is not concerned");
    whole.job_runs();
}

fn end_of_the_essential_program_ends_everything(whole: Whole) {
    let everything = descendants(whole.daemon.pid());
    whole.daemon.svc_ok(&["start", "essential"]);
    fs::write(whole.daemon.file("end"), format!("{CODE}\n")).expect("it reads");
    let exit = whole.daemon.wait_exit(SHUTDOWN);
    assert_eq!(exit.code(), Some(CODE), "{exit}");
    let left: Vec<i32> = everything.into_iter().filter(|pid| Path::new(&format!("/proc/{pid}")).exists()).collect();
    assert_eq!(left, [0; 0], "nothing is left");
    let log = whole.daemon.read("visor.log");
    // web was stopped once before, when it was sick.
    let log = &log[place_of(&log, "exited: essential")..];
    check_order(
        log,
        &["exited: essential (exit status 7; not expected)", "stopped: nginx", "stopped: web", "stopped: postgres"],
    );
}

#[test]
fn whole_stack_with_a_database_that_accepts_connections_runs_in_order_and_ends_with_its_essential_program() {
    if let Some(postgres) = needs("a whole stack, ready by connection") {
        whole_stack(&postgres, "tcp:127.0.0.1:PORT");
    }
}

#[test]
fn whole_stack_with_a_database_that_says_it_is_ready_runs_in_order_and_ends_with_its_essential_program() {
    if let Some(postgres) = needs("a whole stack, ready by notification") {
        whole_stack(&postgres, "notify");
    }
}
