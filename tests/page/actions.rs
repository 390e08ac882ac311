//! The page with scripts off, and who may press its buttons.

use crate::http;
use crate::site::{Site, login};

/// Follows the redirect of an action; what the page then says.
fn said(site: &Site, answer: &http::Answer) -> String {
    assert_eq!((answer.status, answer.header("location")), (303, "./"), "{answer:?}");
    let message = answer.cookie("visor-message").expect("the message goes along");
    let page = http::ask(site.port, &format!("GET /\nCookie: visor-message={message}"), "");
    assert_eq!(page.cookie("visor-message").as_deref(), Some(""), "it is said once");
    let (_, rest) = page.body.split_once("status_msg").expect("a place for messages");
    let (_, rest) = rest.split_once("<span>").expect("a message");
    rest.split_once("</span>").expect("its end").0.to_owned()
}

#[test]
fn page_without_scripts_shows_every_process_and_its_buttons() {
    let site = Site::open();
    let page = site.get("/");
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let body = &page.body;
    for name in ["talker", "idle", "pair:pair_0", "pair:pair_1"] {
        assert!(body.contains(&format!("data-name=\"{name}\"")), "{name}");
    }
    assert!(body.contains("statusrunning") && body.contains("the box") && body.contains("value=\"stop talker\""));
    assert!(body.contains("href=\"logtail/talker/stderr\"") && body.contains("tail.html?processname=pair:pair_0"));
    assert_eq!(site.get("/index.html").status, 200);
    assert_eq!(site.get("/index.htm").status, 404);
}

#[test]
fn every_answer_may_run_and_load_nothing_foreign_and_is_not_kept() {
    let site = Site::open();
    for path in ["/", "/tail.html?processname=talker", "/ok.html", "/log/talker", "/metrics", "/logtail/nobody"] {
        let answer = site.get(path);
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        assert!(answer.header("cache-control").contains("no-store"), "{path}");
    }
    let page = site.get("/").body;
    let (before, after) = (page.matches("http://").count(), page.matches("https://").count());
    assert_eq!((before, after), (1, 0), "the only address is that of the SVG's language");
    assert!(!page.contains(" onclick=") && !page.contains(" style="));
    let nonce = |page: &str| page.split_once("nonce=\"").and_then(|(_, rest)| Some(rest.split_once('"')?.0.to_owned()));
    assert_ne!(nonce(&page), nonce(&site.get("/").body), "a nonce is used once");
}

#[test]
fn buttons_do_what_they_say_and_the_page_tells_it_in_supervisors_words() {
    let site = Site::open();
    let press = |action: &str| said(&site, &site.press(action));
    assert_eq!(press("start idle"), "Process idle started");
    assert_eq!(site.daemon.state_of("idle"), "RUNNING");
    assert_eq!(press("start idle"), "ERROR: Process idle: already started");
    assert_eq!(press("stop idle"), "Process idle stopped");
    assert_eq!(press("stop idle"), "unexpected rpc fault [70] NOT_RUNNING: idle");
    assert_eq!(press("start gone"), "ERROR: Process gone: no such file");
    assert_eq!(press("start bad"), "ERROR: Process bad: spawn error");
    assert_eq!(press("start nobody"), "No such process named nobody");
    assert_eq!(press("stop pair:*"), "No such process named pair:*");
    assert_eq!(press("stop all"), "No such process named all");
    let before = site.daemon.pid_of("pair:pair_1");
    assert_eq!(press("restart pair:pair_1"), "Process pair:pair_1 restarted");
    assert_ne!(site.daemon.pid_of("pair:pair_1"), before);
    assert_eq!(press("restart idle"), "Process idle restarted", "though it did not run");
    assert_eq!(press("clearlog talker"), "Log for talker cleared");
    assert!(press("refresh").starts_with("Page refreshed at "));
    assert!(press("stopall").starts_with("All stopped at "));
    assert_eq!(site.daemon.state_of("talker"), "STOPPED");
}

#[test]
fn message_is_escaped_and_nobody_elses_link_can_set_one() {
    let site = Site::open();
    let answer = site.press("start <b>x</b>");
    assert_eq!(said(&site, &answer), "No such process named &lt;b&gt;x&lt;/b&gt;");
    let page = site.get("/?message=Call+this+number");
    assert!(!page.body.contains("Call this number"));
    // The address to go back to is not made of what the request calls us.
    let token = site.get("/").cookie("visor-token").unwrap();
    let answer =
        site.post(&format!("Host: localhost\nCookie: visor-token={token}"), &format!("token={token}&action=refresh"));
    assert_eq!(answer.header("location"), "./");
}

#[test]
fn get_with_an_action_does_nothing() {
    let site = Site::open();
    for path in ["/?action=stopall", "/index.html?processname=talker&action=stop"] {
        assert_eq!(site.get(path).status, 200);
    }
    assert!(site.get("/?action=refresh").body.contains("Page refreshed at "));
    assert_eq!(site.daemon.state_of("talker"), "RUNNING");
}

#[test]
fn post_without_the_token_shows_the_page_again_and_does_nothing() {
    let site = Site::open();
    let token = site.get("/").cookie("visor-token").unwrap();
    let other = "0".repeat(token.len());
    let cookie = format!("Cookie: visor-token={token}");
    for (headers, body) in [
        ("", "action=stop+talker".to_owned()),
        ("", format!("token={token}&action=stop+talker")),
        (&cookie, "action=stop+talker".to_owned()),
        (&cookie, format!("token={other}&action=stop+talker")),
        (&cookie, "token=&action=stop+talker".to_owned()),
        ("Cookie: visor-token=", "token=&action=stop+talker".to_owned()),
    ] {
        let answer = site.post(headers, &body);
        assert_eq!(answer.status, 403, "{headers} {body}");
        assert!(answer.body.contains("Please try again") && answer.body.contains("data-name=\"talker\""));
    }
    assert_eq!(site.daemon.state_of("talker"), "RUNNING");
    // A script is told in its own language and given what the next try needs.
    let answer = site.post("Accept: application/json", "action=stop+talker");
    let fresh = answer.cookie("visor-token").expect("a fresh token");
    assert!(answer.status == 403 && answer.body.contains(&format!("\"token\":\"{fresh}\"")), "{answer:?}");
    let headers = format!("Accept: application/json\nCookie: visor-token={fresh}");
    let answer = site.post(&headers, &format!("token={fresh}&action=stop+talker"));
    assert!(answer.status == 200 && answer.body.contains("\"message\":\"Process talker stopped\""), "{answer:?}");
}

#[test]
fn post_from_another_site_does_nothing_even_with_the_token() {
    let site = Site::open();
    let token = site.get("/").cookie("visor-token").unwrap();
    for origin in [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://127.0.0.1:1",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ] {
        let body = format!("token={token}&action=stop+talker");
        let answer = site.post(&format!("Cookie: visor-token={token}\n{origin}"), &body);
        assert_eq!(answer.status, 403, "{origin}");
    }
    assert_eq!(site.daemon.state_of("talker"), "RUNNING");
}

#[test]
fn unknown_actions_and_methods_are_refused() {
    let site = Site::open();
    for action in ["shutdown", "", "stop", "startall"] {
        assert_eq!(site.press(action).status, 400, "{action}");
    }
    assert_eq!(http::ask(site.port, "PUT /", "x").status, 405);
    assert_eq!(http::ask(site.port, "POST /tail.html", "x").status, 405);
    let head = http::ask(site.port, "HEAD /", "");
    assert!(head.status == 200 && head.body.is_empty());
}

#[test]
fn who_may_only_look_sees_no_buttons_and_cannot_press_them() {
    let site = Site::locked();
    assert_eq!(site.get("/").status, 401);
    let guest = login("guest", "look");
    let page = http::ask(site.port, &format!("GET /\n{guest}"), "");
    assert!(page.status == 200 && page.body.contains("you may look only"));
    assert!(!page.body.contains("name=\"action\" value=\"st") && !page.body.contains("name=\"token\""));
    let boss = http::ask(site.port, &format!("GET /\n{}", login("boss", "secret")), "");
    let token = boss.cookie("visor-token").unwrap();
    let body = format!("token={token}&action=stop+talker");
    let answer = site.post(&format!("{guest}\nCookie: visor-token={token}"), &body);
    assert!(answer.status == 403 && answer.body.contains("may only look"), "{answer:?}");
    assert_eq!(site.daemon.state_of("talker"), "RUNNING");
    let answer = site.post(&format!("{}\nCookie: visor-token={token}", login("boss", "secret")), &body);
    assert_eq!(answer.status, 303);
    assert_eq!(site.daemon.state_of("talker"), "STOPPED");
}

#[test]
fn tail_page_and_ok_page_are_the_originals() {
    let site = Site::open();
    site.say("<i>first</i>");
    site.daemon.wait_for_file("talker.log", |text| text.contains("first"));
    let page = site.get("/tail.html?processname=talker&limit=2000");
    assert!(page.body.contains("<title>Supervisor tail of process talker</title>"));
    assert!(page.body.contains("&lt;i&gt;first&lt;/i&gt;"));
    assert!(site.get("/tail.html").body.contains("No process name found"));
    assert!(site.get("/tail.html?processname=silent").body.contains("No file for silent"));
    let unknown = site.get("/tail.html?processname=%3Cx%3E").body;
    assert!(unknown.contains("ERROR: unexpected rpc fault [10] BAD_NAME: &lt;x&gt;"));
    let ok = site.get("/ok.html");
    assert_eq!((ok.status, ok.header("content-type"), ok.body.as_str()), (200, "text/plain", "OK"));
}
