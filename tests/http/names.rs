//! By what names the gateway may be called.

use crate::client::{Plan, Site, basic, post};

fn status_with(site: &Site, host: &str) -> u16 {
    site.inet().exchange(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).status
}

#[test]
fn strange_names_are_told_what_to_configure() {
    let site = Site::start(&Plan { visor: "allowed_hosts=panel.example", ..Plan::default() });
    for ours in ["localhost", "127.0.0.1:9001", "[::1]", "panel.example", "a.localhost:80"] {
        assert_eq!(status_with(&site, ours), 404, "{ours}");
    }
    let answer = site.inet().exchange(b"GET / HTTP/1.1\r\nHost: rebound.example:9001\r\n\r\n");
    assert_eq!(answer.status, 421);
    assert!(answer.text().contains("rebound.example") && answer.text().contains("allowed_hosts"), "{}", answer.text());
    for none in ["", "a b", "user@localhost"] {
        assert_eq!(status_with(&site, none), 400, "`{none}`");
    }
    assert_eq!(site.inet().exchange(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n").status, 400);
    assert_eq!(site.inet().exchange(b"GET http://rebound.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 421);
}

#[test]
fn calls_by_strange_names_pass_only_where_a_rebound_page_has_no_login() {
    let call =
        String::from_utf8(post("supervisor.getState", &[], "")).unwrap().replace("Host: localhost", "Host: strange");
    let open = Site::with("");
    assert_eq!(open.inet().exchange(call.as_bytes()).status, 421);
    assert_eq!(open.unix().exchange(call.as_bytes()).status, 200);
    let guarded = Site::start(&Plan { door: "username=u\npassword=p\n", ..Plan::default() });
    let with_login = call.replace("Host:", &format!("{}Host:", basic("u", "p")));
    assert_eq!(guarded.inet().exchange(with_login.as_bytes()).status, 200);
    assert_eq!(guarded.inet().exchange(call.as_bytes()).status, 401);
}

#[test]
fn page_of_another_site_changes_nothing() {
    let site = Site::with("[program:p]\ncommand=/bin/sleep 1000\nautostart=false\n");
    let from = |origin: &str| {
        let headers = format!("Origin: {origin}\r\n");
        site.inet().exchange(&post("supervisor.startProcess", &[crate::client::text("p")], &headers)).status
    };
    assert_eq!((from("http://evil.example"), from("null"), from("http://localhost:1")), (403, 403, 403));
    assert_eq!(site.daemon.state_of("p"), "STOPPED");
    assert_eq!(from("http://localhost"), 200);
}
