//! Logins.

use std::time::{Duration, Instant};

use visor::http::xml::{Reply, Value};

use crate::client::{Plan, Site, basic, post, reply, text};

const DOOR: &str = "username=user\npassword=p:ä s\n";

fn guarded() -> Site {
    Site::start(&Plan { door: DOOR, ..Plan::default() })
}

#[test]
fn every_page_wants_the_login() {
    let site = guarded();
    for path in ["/", "/RPC2", "/nothing", "/logtail/x", "/metrics"] {
        let mut http = site.inet();
        let answer = http.get(path);
        assert_eq!(answer.status, 401, "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"default\""));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(http.ends());
    }
    let answer = site.unix().exchange(&post("supervisor.getState", &[], ""));
    assert_eq!(answer.status, 401);
    let good = basic("user", "p:ä s");
    assert!(matches!(reply(&site.unix().exchange(&post("supervisor.getState", &[], &good))), Reply::Value(_)));
}

#[test]
fn wrong_and_malformed_credentials_are_refused_and_harm_nothing() {
    let site = guarded();
    let bad = [
        basic("user", "wrong"),
        "Authorization: Basic\r\n".to_owned(),
        "Authorization: Basic !!!\r\n".to_owned(),
        "Authorization: \u{1}\r\n".to_owned(),
    ];
    for (index, login) in bad.iter().enumerate() {
        let answer = site.inet().exchange(&post("supervisor.getState", &[], login));
        assert!(answer.status == 401 || answer.status == 400, "{index}: {}", answer.status);
    }
    site.daemon.request_ok("status");
}

#[test]
fn hashed_password_lets_in() {
    let site = Site::start(&Plan {
        door: "username=user\npassword={SHA}82ab876d1387bfafe46cc1c8a2ef074eae50cb1d\n",
        ..Plan::default()
    });
    let try_with = |password: &str| site.inet().exchange(&post("supervisor.getPID", &[], &basic("user", password)));
    assert_eq!(reply(&try_with("thepassword")), Reply::Value(Value::Int(site.daemon.pid())));
    assert_eq!(try_with("other").status, 401);
}

#[test]
fn log_names_the_login_and_where_from_of_who_changes_something() {
    let site = Site::start(&Plan {
        door: "username=user\npassword=p\nreadonly_username=guest\nreadonly_password=g\n",
        ..Plan::default()
    });
    let event = |login: &str| post("supervisor.sendRemoteCommEvent", &[text("A"), text("b")], login);
    let wait = |who: &str| site.daemon.wait_for_log(&format!("visor-http (pid {}) for {who}: event A", site.gateway()));
    site.inet().exchange(&event(&basic("user", "p")));
    assert!(wait("user at 127.0.0.1").contains(" INFO operate by "));
    site.unix().exchange(&event(&basic("user", "p")));
    wait(&format!("user at uid {}", nix::unistd::Uid::current()));
    // Who may only look is stopped before visor hears of it.
    site.inet().exchange(&event(&basic("guest", "g")));
    site.daemon.request_ok("pid");
    assert_eq!(site.daemon.process().log().iter().filter(|line| line.contains(": event A")).count(), 2);
}

#[test]
fn who_guesses_waits_longer_each_time_whatever_the_next_try_is_and_others_do_not() {
    let site = guarded();
    let guess = |site: &Site| {
        let begin = Instant::now();
        assert_eq!(site.inet().exchange(&post("supervisor.getState", &[], &basic("user", "guess"))).status, 401);
        begin.elapsed()
    };
    let took: Vec<Duration> = (0..6).map(|_| guess(&site)).collect();
    crate::client::tell(&format!("six guesses took {took:?}"));
    assert!(took[5] >= Duration::from_millis(450), "{took:?}");
    let knows = |mut http: crate::client::Http| {
        let begin = Instant::now();
        let answer = http.exchange(&post("supervisor.getState", &[], &basic("user", "p:ä s")));
        assert_eq!(answer.status, 200);
        begin.elapsed()
    };
    // While a guess waits, who knows the password and comes from elsewhere does not.
    std::thread::scope(|scope| {
        let guessing = scope.spawn(|| guess(&site));
        let good = knows(site.unix());
        let bad = guessing.join().expect("a guess is answered");
        assert!(good < bad, "{good:?} for the right password, {bad:?} for a guess");
    });
    // From the same address it waits once: a guesser must not learn by the time whether it is right.
    assert!(knows(site.inet()) >= Duration::from_millis(900));
    assert!(knows(site.inet()) < Duration::from_millis(900));
}
