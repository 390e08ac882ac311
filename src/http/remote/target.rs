//! Where a server is: a URL taken apart.

use std::path::PathBuf;

use hyper::Uri;

/// The port of `http://host` without one.
const DEFAULT_PORT: u16 = 80;
/// What stands in the `Host` header of a request over a Unix socket.
const LOCAL: &str = "localhost";

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A Unix socket.
    Unix(PathBuf),
    /// A host and a port.
    Inet(String, u16),
}

impl Place {
    /// Reads `unix://PATH` or `http://HOST[:PORT]`; what stands behind the host is not looked at.
    ///
    /// # Errors
    /// Why it is neither.
    pub fn parse(url: &str) -> Result<Place, String> {
        if let Some(path) = url.strip_prefix("unix://").filter(|path| !path.is_empty()) {
            return Ok(Place::Unix(PathBuf::from(path)));
        }
        let uri: Uri = url.parse().map_err(|cause| format!("not a URL: {cause}"))?;
        match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(authority)) if !authority.host().is_empty() => {
                let has_port = !authority.as_str().ends_with(authority.host());
                let port = match authority.port_u16() {
                    Some(port) => port,
                    None if has_port => return Err("its port is none".to_owned()),
                    None => DEFAULT_PORT,
                };
                let host = authority.host().trim_start_matches('[').trim_end_matches(']');
                Ok(Place::Inet(host.to_owned(), port))
            }
            _ => Err("only http://HOST:PORT and unix://PATH can be reached".to_owned()),
        }
    }

    /// The `Host` header.
    pub fn host(&self) -> String {
        match self {
            Place::Unix(_) => LOCAL.to_owned(),
            Place::Inet(host, port) if host.contains(':') => format!("[{host}]:{port}"),
            Place::Inet(host, port) => format!("{host}:{port}"),
        }
    }
}

/// A process' name as one part of a path.
pub fn in_path(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let escape = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    name.bytes().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_places_or_are_refused() {
        let inet = |host: &str, port| Ok(Place::Inet(host.to_owned(), port));
        assert_eq!(Place::parse("http://far:9001"), inet("far", 9001));
        assert_eq!(Place::parse("http://far/RPC2"), inet("far", 80));
        assert_eq!(Place::parse("http://[::1]:9001"), inet("::1", 9001));
        assert_eq!(Place::parse("unix:///run/a b.sock"), Ok(Place::Unix("/run/a b.sock".into())));
        for bad in ["", "far:9001", "https://far", "http://", "http://a b", "http://far:99999", "unix://", "ftp://x"] {
            assert!(Place::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn host_header_has_brackets_only_where_they_belong() {
        assert_eq!(Place::parse("http://[::1]:9001").unwrap().host(), "[::1]:9001");
        assert_eq!(Place::parse("http://far").unwrap().host(), "far:80");
        assert_eq!(Place::parse("unix:///x").unwrap().host(), "localhost");
    }

    #[test]
    fn names_are_one_part_of_a_path() {
        assert_eq!(in_path("g:a b/é%"), "g%3Aa%20b%2F%C3%A9%25");
        assert_eq!(in_path("web-1_a.b~"), "web-1_a.b~");
    }
}
