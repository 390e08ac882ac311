//! By what names browsers may call us.
//!
//! Owns: the check of `Host` and `Origin`. Does not own: logins.
//!
//! A page of somebody else can give its own name our address and then talk to us as to itself (DNS rebinding), or send a
//! form here with the login its reader's browser keeps. Both come with names that are not ours. An address is no name, so
//! it cannot be rebound.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::header::{HOST, HeaderMap, HeaderName, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{Method, Version};

/// Sent by browsers with what a page of another site asks for.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a request shows of who sent it.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The request's headers.
    pub headers: &'a HeaderMap,
    /// The name in the request line, if there is one there.
    pub authority: Option<&'a Authority>,
    /// Its method.
    pub method: &'a Method,
    /// Its version: HTTP/1.0 knows no `Host`.
    pub version: Version,
    /// It asks for XML-RPC.
    pub rpc: bool,
    /// The server wants a login.
    pub login: bool,
    /// It came over a unix socket, which no browser can open.
    pub unix: bool,
}

/// Why a request is not served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stranger {
    /// We are not called that.
    Host(String),
    /// There is no name, several, or none that can be.
    NoHost,
    /// A page of another site sent it.
    Origin(String),
}

/// Whether a request may be served: what it calls us is our name, and what it changes no other site has sent.
///
/// XML-RPC needs no name where a rebound page cannot use it: on a server with a login (the page has none), and on a unix
/// socket from what is no browser (a browser sends `Origin` with every POST).
///
/// # Errors
/// See [`Stranger`].
pub fn check(caller: Caller<'_>, node: &str, allowed: &[String]) -> Result<(), Stranger> {
    let origin = caller.headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or("null"));
    let host = host(&caller);
    let exempt = caller.rpc && (caller.login || (caller.unix && origin.is_none()));
    match &host {
        _ if exempt => {}
        Ok(None) if caller.unix || caller.version == Version::HTTP_10 => {}
        Ok(None) | Err(()) => return Err(Stranger::NoHost),
        Ok(Some(name)) if is_ours(name.host(), node, allowed) => {}
        Ok(Some(name)) => return Err(Stranger::Host(name.host().to_owned())),
    }
    if matches!(*caller.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(());
    }
    let same = |origin: &str| {
        let named = origin.split_once("://").and_then(|(_, rest)| rest.parse::<Authority>().ok());
        named.is_some_and(|named| {
            // Another port of a host may be anybody's; without one it is a proxy before us.
            host.as_ref().is_ok_and(|host| host.as_ref() == Some(&named))
                || (named.port().is_none() && is_listed(named.host(), allowed))
        })
    };
    match origin {
        Some(origin) if !same(origin) => Err(Stranger::Origin(origin.to_owned())),
        None if caller.headers.get(FETCH_SITE).is_some_and(|site| site == "cross-site") => {
            Err(Stranger::Origin("another site".to_owned()))
        }
        Some(_) | None => Ok(()),
    }
}

/// The one name the request calls us by.
fn host(caller: &Caller<'_>) -> Result<Option<Authority>, ()> {
    let mut names = caller.headers.get_all(HOST).into_iter();
    let header = match (names.next(), names.next()) {
        (None, _) => None,
        (Some(_), Some(_)) => return Err(()),
        (Some(name), None) if name.is_empty() => None,
        (Some(name), None) => {
            let name: Authority = name.to_str().ok().and_then(|name| name.parse().ok()).ok_or(())?;
            if name.as_str().contains('@') {
                return Err(());
            }
            Some(name)
        }
    };
    // The name in the request line is the one that counts.
    Ok(caller.authority.cloned().or(header))
}

/// A name below the node's would do only if we knew its domain: `box.somebody.example` may be anybody's.
fn is_ours(host: &str, node: &str, allowed: &[String]) -> bool {
    let host = plain(host);
    let is = |name: &str| !name.is_empty() && host.eq_ignore_ascii_case(name);
    let short = node.split('.').next().unwrap_or_default();
    is_address(host)
        || is("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || is(node)
        || is(short)
        || is_listed(host, allowed)
}

fn is_listed(host: &str, allowed: &[String]) -> bool {
    let host = plain(host);
    allowed.iter().any(|name| name == "*" || plain(name).eq_ignore_ascii_case(host))
}

/// Without the dot of a full name.
fn plain(host: &str) -> &str {
    host.strip_suffix('.').unwrap_or(host)
}

fn is_address(host: &str) -> bool {
    let v6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    host.parse::<Ipv4Addr>().is_ok() || v6.is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Given {
        host: Option<&'static str>,
        origin: Option<&'static str>,
        post: bool,
        rpc: bool,
        login: bool,
        unix: bool,
    }

    const PLAIN: Given = Given { host: None, origin: None, post: false, rpc: false, login: false, unix: false };

    fn ask(given: &Given, allowed: &[&str]) -> Result<(), Stranger> {
        let mut headers = HeaderMap::new();
        if let Some(host) = given.host {
            headers.insert(HOST, host.parse().unwrap());
        }
        if let Some(origin) = given.origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        let allowed: Vec<String> = allowed.iter().map(|&name| name.to_owned()).collect();
        let caller = Caller {
            headers: &headers,
            authority: None,
            method: if given.post { &Method::POST } else { &Method::GET },
            version: Version::HTTP_11,
            rpc: given.rpc,
            login: given.login,
            unix: given.unix,
        };
        check(caller, "box.example.org", &allowed)
    }

    #[test]
    fn our_names_and_addresses_are_served() {
        for host in [
            "localhost",
            "LOCALHOST:9001",
            "a.localhost:1",
            "localhost.",
            "127.0.0.1",
            "192.168.1.5:9001",
            "[::1]:9001",
            "[fe80::1]",
            "box",
            "BOX:9001",
            "box.example.org",
            "listed.example",
            "Listed.Example:9001",
        ] {
            let given = Given { host: Some(host), ..PLAIN };
            assert_eq!(ask(&given, &["listed.example"]), Ok(()), "{host}");
        }
    }

    #[test]
    fn names_of_others_are_refused() {
        for host in [
            "evil.example",
            "box.evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "notlocalhost",
            "::1",
            "1.2.3",
            "box.example.org.evil.example",
        ] {
            let given = Given { host: Some(host), ..PLAIN };
            assert!(ask(&given, &["listed.example"]).is_err(), "{host}");
            assert!(ask(&Given { host: Some(host), ..PLAIN }, &["*"]).is_ok() || host == "::1", "{host} with a star");
        }
    }

    #[test]
    fn no_name_is_enough_only_where_no_browser_comes() {
        assert_eq!(ask(&PLAIN, &[]), Err(Stranger::NoHost));
        assert_eq!(ask(&Given { unix: true, ..PLAIN }, &[]), Ok(()));
        for bad in ["a b", "user@localhost", "[::1"] {
            assert_eq!(ask(&Given { host: Some(bad), ..PLAIN }, &[]), Err(Stranger::NoHost), "{bad}");
        }
    }

    #[test]
    fn calls_need_no_name_with_a_login_or_over_a_unix_socket() {
        let strange = Given { host: Some("unix"), post: true, rpc: true, ..PLAIN };
        assert_eq!(ask(&strange, &[]), Err(Stranger::Host("unix".to_owned())));
        assert_eq!(ask(&Given { login: true, ..strange }, &[]), Ok(()));
        assert_eq!(ask(&Given { unix: true, host: Some("unix"), post: true, rpc: true, ..PLAIN }, &[]), Ok(()));
        let browser =
            Given { unix: true, origin: Some("http://unix"), host: Some("unix"), post: true, rpc: true, ..PLAIN };
        assert!(ask(&browser, &[]).is_err());
    }

    #[test]
    fn what_changes_something_comes_from_no_other_site() {
        let from =
            |origin| Given { host: Some("localhost:9001"), origin: Some(origin), post: true, login: true, ..PLAIN };
        assert_eq!(ask(&from("http://localhost:9001"), &[]), Ok(()));
        for origin in ["http://localhost:8000", "http://evil.example", "null", "http://localhost", "https://"] {
            assert_eq!(ask(&from(origin), &[]), Err(Stranger::Origin(origin.to_owned())), "{origin}");
            let look = Given { post: false, ..from(origin) };
            assert_eq!(ask(&look, &[]), Ok(()), "{origin} may look");
        }
        assert_eq!(ask(&from("https://proxy.example"), &["proxy.example"]), Ok(()), "a listed name before us");
    }
}
