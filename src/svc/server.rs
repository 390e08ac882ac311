//! Which visor is meant.

use std::path::{Path, PathBuf};

/// Where visor puts its socket when it is root.
const SYSTEM_SOCKET: &str = "/run/visor.sock";
/// Name of the socket in a user's own folder.
const USER_SOCKET: &str = "visor.sock";

/// The place of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Server {
    /// A Unix socket.
    Unix(PathBuf),
    /// HTTP, which svc leaves to its bridge.
    Http(String),
    /// No kind of place we know.
    Unknown(String),
}

impl Server {
    /// Reads `unix://PATH`, `http://…` or, if there is no scheme, a path.
    #[must_use]
    pub fn parse(text: &str) -> Server {
        match text.split_once("://") {
            Some(("unix", path)) if !path.is_empty() => Server::Unix(PathBuf::from(path)),
            Some(("http", rest)) if !rest.is_empty() => Server::Http(text.to_owned()),
            Some(_) => Server::Unknown(text.to_owned()),
            None if text.is_empty() => Server::Unknown(text.to_owned()),
            None => Server::Unix(PathBuf::from(text)),
        }
    }

    /// The server nobody named: `$SVC_SOCKET`, else the place where a visor of this user puts its socket, or that of root when only that one
    /// is there: its visor may let others in.
    #[must_use]
    pub fn default_of(
        svc_socket: Option<String>,
        is_root: bool,
        runtime_folder: Option<&Path>,
        exists: &dyn Fn(&Path) -> bool,
    ) -> Server {
        if let Some(text) = svc_socket.filter(|text| !text.is_empty()) {
            return Server::parse(&text);
        }
        let system = PathBuf::from(SYSTEM_SOCKET);
        let own = runtime_folder.filter(|_| !is_root).map(|folder| folder.join(USER_SOCKET));
        Server::Unix(own.filter(|own| exists(own) || !exists(&system)).unwrap_or(system))
    }

    /// As Supervisor writes it in its messages.
    #[must_use]
    pub fn url(&self) -> String {
        match self {
            Server::Unix(path) => format!("unix://{}", path.display()),
            Server::Http(url) | Server::Unknown(url) => url.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart_by_their_scheme() {
        assert_eq!(Server::parse("/a/b"), Server::Unix("/a/b".into()));
        assert_eq!(Server::parse("unix:///a/b"), Server::Unix("/a/b".into()));
        assert_eq!(Server::parse("http://h:9001"), Server::Http("http://h:9001".to_owned()));
        assert_eq!(Server::parse("https://h"), Server::Unknown("https://h".to_owned()));
        assert_eq!(Server::parse("http://"), Server::Unknown("http://".to_owned()));
        assert_eq!(Server::parse("ftp://h"), Server::Unknown("ftp://h".to_owned()));
        assert_eq!(Server::parse("unix://"), Server::Unknown("unix://".to_owned()));
        assert_eq!(Server::parse("unix:///a/b").url(), "unix:///a/b");
    }

    #[test]
    fn default_is_the_variable_then_the_users_folder_then_the_systems() {
        let folder = Some(Path::new("/run/user/7"));
        let unix = |path: &str| Server::Unix(path.into());
        let default = |named: Option<&str>, is_root, folder, there: &[&str]| {
            let exists = |path: &Path| there.iter().any(|one| Path::new(one) == path);
            Server::default_of(named.map(str::to_owned), is_root, folder, &exists)
        };
        assert_eq!(default(Some("/x"), true, folder, &[]), unix("/x"));
        assert_eq!(default(Some(""), false, folder, &[]), unix("/run/user/7/visor.sock"));
        assert_eq!(default(None, true, folder, &["/run/user/7/visor.sock"]), unix("/run/visor.sock"));
        assert_eq!(default(None, false, None, &[]), unix("/run/visor.sock"));
        let both = ["/run/user/7/visor.sock", "/run/visor.sock"];
        assert_eq!(default(None, false, folder, &both), unix("/run/user/7/visor.sock"));
        assert_eq!(default(None, false, folder, &["/run/visor.sock"]), unix("/run/visor.sock"));
    }
}
