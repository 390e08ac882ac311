//! Users and groups of the machine, where it has any: without a passwd file every answer is `None`.

use std::path::PathBuf;

use nix::unistd::{Group, Uid};

/// A user of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Home directory.
    pub home: PathBuf,
    /// Login shell.
    pub shell: PathBuf,
}

impl From<nix::unistd::User> for User {
    fn from(user: nix::unistd::User) -> Self {
        User { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), home: user.dir, shell: user.shell }
    }
}

/// The user of that name.
pub fn by_name(name: &str) -> Option<User> {
    if name.contains('\0') {
        return None;
    }
    nix::unistd::User::from_name(name).ok().flatten().map(User::from)
}

/// The user of that id.
pub fn by_id(uid: u32) -> Option<User> {
    nix::unistd::User::from_uid(Uid::from_raw(uid)).ok().flatten().map(User::from)
}

/// The id of the group of that name.
pub fn group_by_name(name: &str) -> Option<u32> {
    if name.contains('\0') {
        return None;
    }
    Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
}

/// Every group of the user of that name, `gid` among them; only `gid` when the machine knows no more.
#[cfg(not(target_vendor = "apple"))]
pub fn groups_of(name: &str, gid: u32) -> Vec<u32> {
    use nix::unistd::Gid;
    let listed =
        std::ffi::CString::new(name).ok().and_then(|name| nix::unistd::getgrouplist(&name, Gid::from_raw(gid)).ok());
    match listed {
        Some(groups) => groups.into_iter().map(Gid::as_raw).collect(),
        None => vec![gid],
    }
}

/// Every group of the user of that name; here only `gid`, since the call differs and nothing needs it.
#[cfg(target_vendor = "apple")]
pub fn groups_of(_name: &str, gid: u32) -> Vec<u32> {
    vec![gid]
}

/// The home directory of the user of that name.
pub fn home(name: &str) -> Option<PathBuf> {
    by_name(name).map(|user| user.home)
}

/// The id of the user we act as.
pub fn effective_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// The id of the group we act as.
pub fn effective_gid() -> u32 {
    nix::unistd::getegid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_found_by_name_and_id() {
        let Some(root) = by_name("root") else {
            let text = b"left out: root_is_found: no passwd file here\n";
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text);
            return;
        };
        assert_eq!((root.uid, by_id(0)), (0, Some(root.clone())));
        assert!(groups_of("root", root.gid).contains(&root.gid));
        assert_eq!(home("root"), Some(root.home));
    }

    #[test]
    fn unknown_names_are_none_and_have_only_the_given_group() {
        assert_eq!(by_name("no-such-user-here"), None);
        assert_eq!(group_by_name("no-such-group-here"), None);
        assert_eq!(groups_of("no-such-user-here", 4242), [4242]);
    }

    #[test]
    fn name_with_nul_is_none() {
        assert_eq!((by_name("ro\0ot"), group_by_name("ro\0ot")), (None, None));
        assert_eq!(groups_of("ro\0ot", 5), [5]);
    }
}
