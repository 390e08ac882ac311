//! How calls travel.

use visor::http::xml::{Reply, Value};

use crate::client::{Site, post, post_body, reply, text};

#[test]
fn call_is_answered_as_the_originals_transport_does() {
    let site = Site::with("");
    for mut http in [site.unix(), site.inet()] {
        let answer = http.exchange(&post("supervisor.getAPIVersion", &[], ""));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/xml")));
        assert!(answer.header("content-length").is_some());
        assert!(answer.header("server").is_some_and(|server| server.starts_with("visor/")));
        assert!(answer.text().starts_with("<?xml version='1.0'?>\n<methodResponse>"));
        assert_eq!(reply(&answer), Reply::Value(text("3.0")));
    }
}

#[test]
fn connection_is_kept_by_http_1_1_and_closed_by_http_1_0_unless_they_say_otherwise() {
    let site = Site::with("");
    let body = String::from_utf8(post("supervisor.getState", &[], "")).unwrap();
    let old = body.replace("HTTP/1.1", "HTTP/1.0");
    let mut http = site.inet();
    http.exchange(body.as_bytes());
    http.exchange(body.as_bytes());
    http.exchange(body.replace("Host:", "Connection: close\r\nHost:").as_bytes());
    assert!(http.ends());
    let mut http = site.inet();
    http.exchange(old.replace("Host:", "Connection: keep-alive\r\nHost:").as_bytes());
    http.exchange(old.as_bytes());
    assert!(http.ends());
}

#[test]
fn pipelined_calls_are_answered_in_order() {
    let site = Site::with("");
    let mut http = site.inet();
    let calls = [
        post("supervisor.getAPIVersion", &[], ""),
        post("supervisor.nope", &[], ""),
        post("supervisor.getPID", &[], ""),
    ];
    http.send(&calls.concat());
    assert_eq!(reply(&http.answer().unwrap()), Reply::Value(text("3.0")));
    assert_eq!(reply(&http.answer().unwrap()), Reply::Fault(1, "UNKNOWN_METHOD".to_owned()));
    assert_eq!(reply(&http.answer().unwrap()), Reply::Value(Value::Int(site.daemon.pid())));
}

#[test]
fn body_may_come_in_chunks_and_after_being_asked_for() {
    let site = Site::with("");
    let whole = post("supervisor.getAPIVersion", &[], "");
    let at = whole.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let body = &whole[at..];
    let mut http = site.inet();
    http.send(b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in body.chunks(10) {
        http.send(format!("{:x}\r\n", piece.len()).as_bytes());
        http.send(piece);
        http.send(b"\r\n");
    }
    http.send(b"0\r\n\r\n");
    assert_eq!(reply(&http.answer().unwrap()), Reply::Value(text("3.0")));

    let head = format!(
        "POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut http = site.inet();
    assert_eq!(http.exchange(head.as_bytes()).status, 100);
    assert_eq!(reply(&http.exchange(body)), Reply::Value(text("3.0")));
}

#[test]
fn what_is_no_call_is_a_bad_request_and_other_pages_are_not_there() {
    let site = Site::with("");
    for body in [&b""[..], b"hello", b"<methodCall/>", b"<methodCall><methodName/></methodCall>", b"\xff\xfe"] {
        let answer = site.inet().exchange(&post_body(body, ""));
        assert_eq!(answer.status, 400, "{}", body.escape_ascii());
        assert!(answer.text().contains("Error code 400."));
    }
    assert_eq!(site.inet().get("/RPC2").status, 400);
    let whole = String::from_utf8(post("supervisor.getAPIVersion", &[], "")).unwrap();
    assert_eq!(site.inet().exchange(whole.replace("POST /RPC2", "PUT /RPC2").as_bytes()).status, 400);
    assert_eq!(reply(&site.inet().exchange(whole.replace("/RPC2", "/RPC2/").as_bytes())), Reply::Value(text("3.0")));
}

#[test]
fn wait_holds_up_only_its_own_connection_and_ends_with_its_client() {
    let site = Site::with("[program:slow]\ncommand=/bin/sleep 1000\nautostart=false\nstartsecs=5\n");
    let mut waiting = site.unix();
    waiting.send(&post("supervisor.startProcess", &[text("slow")], ""));
    site.daemon.wait_for_state("slow", "STARTING");
    assert_eq!(site.result("supervisor.getState", &[]).member("statecode"), Some(&Value::Int(1)));
    drop(waiting);
    assert_eq!(site.result("supervisor.stopProcess", &[text("slow")]), Value::Bool(true));
}
