//! What the gateway puts up with. In every test visor and svc answer meanwhile; figures of memory are printed.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::client::{Site, post, post_body, tell};

/// What the gateway may grow by, in KiB, whatever is done to it.
const MAY_GROW: u64 = 24 * 1024;

/// A gateway that has answered once, and its memory then.
fn warm() -> (Site, u64) {
    let site = Site::with("[program:p]\ncommand=/bin/sleep 1000\n");
    site.result("supervisor.getState", &[]);
    let memory = site.memory();
    (site, memory)
}

fn still_well(site: &Site, before: u64, gateway: i32, what: &str) {
    site.all_is_well();
    let after = site.memory();
    tell(&format!("{what}: the gateway took {before} KiB before and {after} KiB after"));
    assert_eq!(site.gateway(), gateway, "{what}: it is the same gateway");
    assert!(after < before + MAY_GROW, "{what}: {before} KiB, then {after} KiB");
}

#[test]
fn no_form_of_smuggling_makes_two_requests_of_one() {
    let (site, before) = warm();
    let gateway = site.gateway();
    let body = post("supervisor.getState", &[], "");
    let at = body.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let call = &body[at..];
    let head = |lines: &str| format!("POST /RPC2 HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    let length = call.len();
    let inner = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for lines in [
        format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
        format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
        format!("Content-Length: {length}\r\nContent-Length: 5\r\n"),
        format!("Content-Length: {length}, 5\r\n"),
        "Content-Length: +5\r\n".to_owned(),
        "Content-Length: -1\r\n".to_owned(),
        "Content-Length: 0x10\r\n".to_owned(),
        "Content-Length: 99999999999999999999\r\n".to_owned(),
        format!("Content-Length : {length}\r\n"),
        format!("Content-Length\r\n : {length}\r\n"),
        "X: a\r\n b\r\nContent-Length: 0\r\n".to_owned(),
        "Transfer-Encoding: gzip\r\n".to_owned(),
        "Transfer-Encoding: chunked, identity\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\n".to_owned(),
        "Transfer-Encoding : chunked\r\n".to_owned(),
        "Transfer-Encoding:\x0bchunked\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n".to_owned(),
    ] {
        let mut http = site.inet();
        http.send(head(&lines).as_bytes());
        http.send(b"0\r\n\r\n");
        http.send(inner.as_bytes());
        let mut answers = Vec::new();
        while let Some(answer) = http.answer() {
            answers.push(answer.status);
        }
        assert!(answers.len() <= 1, "`{}` got {answers:?}", lines.escape_default());
        assert!(
            answers.iter().all(|&status| (400..500).contains(&status)),
            "`{}` got {answers:?}",
            lines.escape_default()
        );
    }
    still_well(&site, before, gateway, "smuggling");
}

#[test]
fn requests_that_are_none_end_their_connection() {
    let (site, before) = warm();
    let gateway = site.gateway();
    for bad in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: local\xffhost\r\n\r\n",
        b"GET / HTTP/1.1\r\n: nothing\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: \0\r\n\r\n",
        b"GET /\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ] {
        let mut http = site.inet();
        http.send(bad);
        if bad.starts_with(b"\x16") {
            http.send(b"\r\n\r\n");
        }
        let status = http.answer().map(|answer| answer.status);
        assert!(status.is_none_or(|status| (400..=505).contains(&status)), "`{}`: {status:?}", bad.escape_ascii());
    }
    still_well(&site, before, gateway, "requests that are none");
}

#[test]
fn paths_lead_nowhere() {
    let (site, before) = warm();
    let gateway = site.gateway();
    for path in [
        "/../../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "//etc/passwd",
        "/..%2f..%2fetc%2fpasswd",
        "/stylesheets/../../etc/passwd",
        "/nothing/%00",
        "/nothing/%zz",
        "/nothing?%",
        "*",
    ] {
        let answer = site.inet().get(path);
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
        assert!(!String::from_utf8_lossy(&answer.body).contains("root:"), "{path}");
    }
    still_well(&site, before, gateway, "paths");
}

#[test]
fn huge_heads_and_bodies_are_refused() {
    let (site, before) = warm();
    let gateway = site.gateway();
    let long = "x".repeat(200_000);
    let heads = [
        format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: y\r\n".repeat(1000)),
        format!("{long} / HTTP/1.1\r\n\r\n"),
    ];
    for head in heads {
        let mut http = site.inet();
        http.send(head.as_bytes());
        let status = http.answer().map(|answer| answer.status);
        assert!(matches!(status, None | Some(400 | 414 | 431)), "{status:?}");
    }
    let mut http = site.inet();
    let answer = http.exchange(b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000000\r\n\r\n");
    assert_eq!(answer.status, 413);
    let mut http = site.inet();
    http.send(b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = [b"10000\r\n".to_vec(), vec![b'x'; 65536], b"\r\n".to_vec()].concat();
    let sent = (0..4096).take_while(|_| http.send(&chunk)).count();
    assert!(sent < 1024, "an endless body is cut off after {sent} chunks of 64 KiB");
    still_well(&site, before, gateway, "huge heads and bodies");
}

#[test]
fn many_large_bodies_at_once_take_bounded_memory() {
    let (site, before) = warm();
    let gateway = site.gateway();
    let head = b"POST /RPC2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";
    let part = vec![b'x'; 900_000];
    let mut held: Vec<TcpStream> = Vec::new();
    for _ in 0..100 {
        let mut stream = site.tcp();
        stream.set_nonblocking(true).expect("it does not wait");
        let _ = stream.write(head);
        let _ = stream.write(&part);
        held.push(stream);
    }
    // Again, for those that had no room the first time.
    for stream in &mut held {
        let _ = stream.write(&part);
    }
    still_well(&site, before, gateway, "a hundred bodies of a megabyte begun");
}

#[test]
fn bombs_of_xml_are_refused() {
    let (site, before) = warm();
    let gateway = site.gateway();
    let mut lol = "<!DOCTYPE l [<!ENTITY a0 \"lol\">".to_owned();
    for n in 1..12 {
        lol.push_str(&format!("<!ENTITY a{n} \"{}\">", format!("&a{};", n - 1).repeat(10)));
    }
    lol.push_str("]><methodCall><methodName>&a11;</methodName></methodCall>");
    let external =
        "<!DOCTYPE m [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><methodCall><methodName>&x;</methodName></methodCall>";
    let deep = |element: &str| {
        let many = 1_000_000 / (2 * element.len() + 5);
        format!("{}{}", format!("<{element}>").repeat(many), format!("</{element}>").repeat(many))
    };
    let call = |inside: &str| {
        format!(
            "<methodCall><methodName>supervisor.getState</methodName><params><param><value>{inside}</value></param></params></methodCall>"
        )
    };
    let bodies = [
        lol,
        external.to_owned(),
        deep("array"),
        call(&deep("value")),
        call(&"<array><data><value>".repeat(20_000)),
        call(&"<a/>".repeat(240_000)),
        call(&format!("<struct>{}</struct>", "<member><name/><value/></member>".repeat(31_000))),
        "<a xmlns:b='c'>".repeat(60_000),
        (0..40_000).map(|n| format!("<a xmlns:b{n}='{n}'>")).collect(),
        format!("<methodCall {}/>", (0..60_000).map(|n| format!("a{n}=\"\" ")).collect::<String>()),
    ];
    for body in &bodies {
        let begin = Instant::now();
        let answer = site.inet().exchange(&post_body(body.as_bytes(), ""));
        let start = body.get(..60).unwrap_or_default();
        assert!(matches!(answer.status, 400 | 413 | 200), "{start}: {}", answer.status);
        assert!(answer.status != 200 || answer.text().contains("INCORRECT_PARAMETERS"), "{start}");
        assert!(begin.elapsed() < Duration::from_secs(5), "{start}: {:?}", begin.elapsed());
    }
    still_well(&site, before, gateway, "bombs of XML");
}

#[test]
fn slow_heads_are_ended_and_hold_up_nobody() {
    let (site, before) = warm();
    let gateway = site.gateway();
    let begin = Instant::now();
    let mut slow: Vec<TcpStream> = (0..50).map(|_| site.tcp()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n").expect("the beginning of a request");
    }
    let mut silent = site.tcp();
    let mut ended = 0;
    let mut dripped = 0;
    while ended < slow.len() {
        assert!(begin.elapsed() < Duration::from_secs(30), "{ended} slow connections were ended");
        site.all_is_well();
        for stream in &mut slow {
            let _ = stream.write(b"X");
        }
        dripped += 1;
        std::thread::sleep(Duration::from_millis(500));
        ended = slow.iter().filter(|stream| is_over(stream)).count();
    }
    let took = begin.elapsed();
    assert!(took >= Duration::from_secs(8), "patience has a measure: {took:?}");
    assert!(dripped > 5);
    let mut byte = [0];
    assert!(matches!(silent.read(&mut byte), Ok(0) | Err(_)), "who says nothing is ended too");
    still_well(&site, before, gateway, "fifty slow connections");
}

fn is_over(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(1))).expect("a timeout");
    let mut buffer = [0; 1024];
    match stream.read(&mut buffer) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
    }
}

#[test]
fn thousand_idle_connections_leave_room_for_the_next() {
    let (site, before) = warm();
    let gateway = site.gateway();
    let mut patient = site.unix();
    patient.call("supervisor.getState", &[]);
    let idle: Vec<TcpStream> = (0..1000).map(|_| site.tcp()).collect();
    still_well(&site, before, gateway, "a thousand idle connections");
    patient.call("supervisor.getState", &[]);
    let descriptors = std::fs::read_dir(format!("/proc/{gateway}/fd")).map(Iterator::count).unwrap_or(0);
    tell(&format!("it holds {descriptors} descriptors for {} connections", idle.len()));
    assert!(descriptors < 600, "{descriptors} descriptors");
}

#[test]
fn client_that_takes_nothing_holds_up_nobody() {
    let (site, before) = warm();
    let gateway = site.gateway();
    let call = post("supervisor.getAllConfigInfo", &[], "");
    let mut greedy: Vec<TcpStream> = (0..20).map(|_| site.tcp()).collect();
    for stream in &mut greedy {
        stream.set_nonblocking(true).expect("it does not wait");
        // Until nothing more is taken: the gateway stops reading while its answers are not read.
        while stream.write(&call).is_ok_and(|taken| taken > 0) {}
    }
    still_well(&site, before, gateway, "twenty clients that read nothing");
}
