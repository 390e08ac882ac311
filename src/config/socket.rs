//! Sockets that are made for programs: their addresses as a configuration has them.

use super::path::normalize;
use super::value;
use crate::list::List as _;

/// Sockets that one program can get by `listen`; no service manager hands out so many.
const MAX_LISTENING: usize = 16;

/// A socket's url in its plain form; `limited` = owner or mode are given.
pub(super) fn url(text: &str, limited: bool) -> Result<String, String> {
    if let Some(path) = text.strip_prefix("unix://") {
        if !path.starts_with('/') {
            return Err(format!("Unix socket path {path} is not an absolute path"));
        }
        return Ok(format!("unix://{}", normalize(path)));
    }
    if limited {
        return Err("socket_owner and socket_mode params should only be used with a Unix domain socket".to_owned());
    }
    let bad = || format!("Bad socket format {text}");
    let (host, port) = text.strip_prefix("tcp://").and_then(|address| address.split_once(':')).ok_or_else(bad)?;
    let digits = !port.is_empty() && port.chars().all(|c| c.is_ascii_digit());
    if host.is_empty() || host.contains(char::is_whitespace) || !digits {
        return Err(bad());
    }
    let port = value::port_number(port)?;
    Ok(format!("tcp://{}:{port}", host.to_lowercase()))
}

/// The sockets of a `listen` key: separated by commas or blanks.
pub(super) fn listening(text: &str) -> Result<Vec<String>, String> {
    let urls = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|one| !one.is_empty());
    let urls: Vec<String> = urls.map(|one| url(one, false)).list_all()?;
    if urls.len() > MAX_LISTENING {
        return Err(format!("more than {MAX_LISTENING} sockets"));
    }
    Ok(urls)
}
