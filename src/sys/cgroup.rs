//! Control groups, version 2: where ours is, and groups below it. The kernel's interface is small files; none of them waits for a disk.
//!
//! Not done here: which groups there are and what is written into them.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::files;
use crate::list::List as _;

/// Groups inside groups that are gone through; programs that make more of them are on their own.
const DEEPEST: u32 = 16;

/// The directory of our own group.
///
/// # Errors
/// `NotFound` when no hierarchy of version 2 is mounted where we see it; what reading /proc answers.
pub fn own() -> io::Result<PathBuf> {
    let ours = std::fs::read_to_string("/proc/self/cgroup")?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    locate(&ours, &mounts).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
}

/// Whether our own group is the root of what our namespace shows of the hierarchy.
#[must_use]
pub fn is_root_of_namespace() -> bool {
    std::fs::read_to_string("/proc/self/cgroup").is_ok_and(|text| path_in_hierarchy(&text) == Some("/"))
}

/// Our path in the hierarchy of version 2.
fn path_in_hierarchy(cgroup: &str) -> Option<&str> {
    cgroup.lines().find_map(|line| line.strip_prefix("0::"))
}

/// Puts together our path and the place where its hierarchy is mounted.
fn locate(cgroup: &str, mountinfo: &str) -> Option<PathBuf> {
    let path = path_in_hierarchy(cgroup)?;
    mountinfo.lines().find_map(|line| {
        let (mount, rest) = line.split_once(" - ")?;
        if rest.split(' ').next() != Some("cgroup2") {
            return None;
        }
        // Number, parent, device, root, place.
        let mut fields = mount.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        // What is mounted is a part of the hierarchy; ours may lie outside of it. A place with escapes in it is nobody's habit.
        let below = path.strip_prefix(root.trim_end_matches('/'))?;
        let inside = below.is_empty() || below.starts_with('/');
        let full = format!("{place}/{}", below.trim_start_matches('/'));
        (inside && !place.contains('\\')).then(|| PathBuf::from(full.trim_end_matches('/')))
    })
}

/// Whether systemd, where it runs, has left this group to whoever is in it.
#[cfg(target_os = "linux")]
#[must_use]
pub fn is_left_to_us(group: &Cgroup) -> bool {
    const LEFT: u8 = b'1';
    if !Path::new("/run/systemd/system").exists() {
        return true;
    }
    let Ok(path) = super::call::c_string(group.path.as_os_str().as_encoded_bytes()) else { return false };
    [c"user.delegate", c"trusted.delegate"].iter().any(|name| {
        let mut value = 0_u8;
        // SAFETY: both names are C strings, and `value` has room for one byte.
        let size = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), (&raw mut value).cast(), 1) };
        size == 1 && value == LEFT
    })
}

/// Whether this group is left to whoever is in it: there are none here.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn is_left_to_us(_group: &Cgroup) -> bool {
    false
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    path: PathBuf,
}

impl Cgroup {
    /// The group of this directory.
    #[must_use]
    pub fn at(path: PathBuf) -> Cgroup {
        Cgroup { path }
    }

    /// A group below another; it may be there already.
    ///
    /// # Errors
    /// What mkdir(2) answers.
    pub fn below(&self, name: &str) -> io::Result<Cgroup> {
        let path = self.path.join(name);
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            Ok(()) | Err(_) => Ok(Cgroup { path }),
        }
    }

    /// Its directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The words of one of its files.
    ///
    /// # Errors
    /// What open(2) and read(2) answer.
    pub fn words(&self, file: &str) -> io::Result<Vec<String>> {
        let text = std::fs::read_to_string(self.path.join(file))?;
        Ok(text.split_whitespace().map(str::to_owned).list())
    }

    /// Whether it has this file.
    #[must_use]
    pub fn has(&self, file: &str) -> bool {
        self.path.join(file).exists()
    }

    /// Writes one of its files.
    ///
    /// # Errors
    /// What open(2) and write(2) answer: EBUSY, EINVAL, EACCES, EROFS, ENOENT.
    pub fn set(&self, file: &str, value: &str) -> io::Result<()> {
        let mut file = std::fs::OpenOptions::new().write(true).open(self.path.join(file))?;
        file.write_all(value.as_bytes())
    }

    /// The descriptor through which processes enter it.
    ///
    /// # Errors
    /// What open(2) answers.
    pub fn door(&self) -> io::Result<OwnedFd> {
        let file = std::fs::OpenOptions::new().write(true).open(self.path.join("cgroup.procs"))?;
        Ok(file.into())
    }

    /// The processes in it, without those of groups below it; 0 stands for one that our namespace does not show.
    ///
    /// # Errors
    /// What open(2) and read(2) answer.
    pub fn members(&self) -> io::Result<Vec<i32>> {
        Ok(self.words("cgroup.procs")?.iter().filter_map(|word| word.parse().ok()).list())
    }

    /// The processes in it and in all groups below it.
    #[must_use]
    pub fn all_members(&self) -> Vec<i32> {
        let mut found = Vec::new();
        self.visit(DEEPEST, &mut |group| found.extend(group.members().unwrap_or_default()));
        found
    }

    /// Whether anybody is in it or in a group below it.
    #[must_use]
    pub fn is_populated(&self) -> bool {
        let words = self.words("cgroup.events").unwrap_or_default();
        words.windows(2).any(|pair| pair == ["populated", "1"])
    }

    /// Kills everybody in it and below it, who forks meanwhile too.
    ///
    /// # Errors
    /// `NotFound` before Linux 5.14.
    pub fn kill(&self) -> io::Result<()> {
        self.set("cgroup.kill", "1")
    }

    /// Removes it and the groups below it.
    ///
    /// # Errors
    /// EBUSY when somebody is in it.
    pub fn remove(&self) -> io::Result<()> {
        let mut outcome = Ok(());
        self.visit(DEEPEST, &mut |group| outcome = std::fs::remove_dir(&group.path));
        match outcome {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Groups below it first, itself last.
    fn visit(&self, depth: u32, act: &mut dyn FnMut(&Cgroup)) {
        if let Some(depth) = depth.checked_sub(1) {
            for name in files::names(&self.path).unwrap_or_default() {
                let path = self.path.join(name);
                if path.is_dir() {
                    Cgroup { path }.visit(depth, act);
                }
            }
        }
        act(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIFIED: &str = "25 30 0:22 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n";

    #[test]
    fn path_is_joined_to_the_place_of_its_hierarchy() {
        let place = locate("0::/system.slice/visor.service\n", UNIFIED);
        assert_eq!(place, Some("/sys/fs/cgroup/system.slice/visor.service".into()));
        assert_eq!(locate("0::/\n", UNIFIED), Some("/sys/fs/cgroup".into()));
        let hybrid = "24 30 0:21 / /proc rw - proc proc rw\n26 30 0:23 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
                      27 30 0:24 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n";
        assert_eq!(locate("8:pids:/a\n0::/b\n", hybrid), Some("/sys/fs/cgroup/unified/b".into()));
    }

    #[test]
    fn path_in_a_part_of_the_hierarchy_is_seen_from_its_root() {
        let part = "25 30 0:22 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup ro\n";
        assert_eq!(locate("0::/docker/abc\n", part), Some("/sys/fs/cgroup".into()));
        assert_eq!(locate("0::/docker/abc/x\n", part), Some("/sys/fs/cgroup/x".into()));
        assert_eq!(locate("0::/docker/abcd\n", part), None);
        assert_eq!(locate("0::/elsewhere\n", part), None);
        assert_eq!(locate("0::/\n", "25 30 0:22 /.. /sys/fs/cgroup ro - cgroup2 cgroup ro\n"), None);
    }

    #[test]
    fn no_hierarchy_of_version_2_is_nothing() {
        assert_eq!(locate("4:memory:/\n", UNIFIED), None);
        assert_eq!(locate("0::/\n", "25 30 0:22 / /sys/fs/cgroup rw - cgroup cgroup rw\n"), None);
        assert_eq!(locate("", ""), None);
        assert_eq!(locate("0::/\n", "25 30 0:22 - cgroup2\n - cgroup2 x\n"), None);
    }

    #[test]
    fn files_of_a_group_are_read_and_written_and_groups_below_removed_first() {
        let folder = tempfile::tempdir().unwrap();
        let group = Cgroup::at(folder.path().to_path_buf()).below("a").unwrap();
        assert_eq!(group, Cgroup::at(folder.path().to_path_buf()).below("a").unwrap());
        assert_eq!(group.set("memory.max", "1").unwrap_err().kind(), io::ErrorKind::NotFound);
        let inner = group.below("b").unwrap();
        std::fs::write(group.path().join("cgroup.procs"), "12\n0\n").unwrap();
        std::fs::write(inner.path().join("cgroup.procs"), "13\n").unwrap();
        std::fs::write(group.path().join("cgroup.events"), "populated 1\nfrozen 0\n").unwrap();
        assert_eq!(group.members().unwrap(), [12, 0]);
        assert_eq!(group.all_members(), [13, 12, 0]);
        assert!(group.is_populated() && !inner.is_populated());
        for file in ["b/cgroup.procs", "cgroup.procs", "cgroup.events"] {
            std::fs::remove_file(group.path().join(file)).unwrap();
        }
        group.remove().unwrap();
        assert!(!group.path().exists());
        group.remove().unwrap();
    }
}
