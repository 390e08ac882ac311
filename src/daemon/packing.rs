//! Backups of logs are compressed by a child, one at a time for all of visor.
//!
//! The child reads from a descriptor and writes to one, and knows no name: a rotation while it works moves the backup on, and what it made
//! gets the name that fits when it is done. Until then the backup stays what it is.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal as Number;

use super::Daemon;
use super::environment::DEFAULT_PATH;
use super::outputs::Key;
use crate::config::LogLevel;
use crate::logs::rotate::{Backup, packing_path};
use crate::program::{Exit, Now};
use crate::supervisor::Input;
use crate::sys::failure::failure;
use crate::sys::spawn::{self, ExecStatus, Lead, Output, Signals, Spec, Stdin};
use crate::sys::{command, files, reap};

/// The command, and how it is told to read one descriptor and write another.
const PACKER: &str = "gzip";
const TO_STDOUT: &str = "-c";
/// What of a backup's mode the compressed one has.
const PERMISSIONS: u32 = 0o777;

/// What is compressed and what will be.
#[derive(Debug, Default)]
pub(super) struct Packing {
    /// Streams that may have backups to compress, each once.
    waiting: Vec<Key>,
    job: Option<Job>,
    /// Streams of which it was told that it does not work.
    told: Vec<Key>,
}

#[derive(Debug)]
struct Job {
    of: Key,
    log: PathBuf,
    /// The backup's number now.
    number: u64,
    backups: u64,
    pid: i32,
    status: OwnedFd,
}

impl Packing {
    /// A log was rotated so many times.
    pub fn rotated(&mut self, of: Key, log: &Path, times: u64) {
        if let Some(job) = self.job.as_mut().filter(|job| job.log == log) {
            job.number = job.number.saturating_add(times);
        }
        self.want(of);
    }

    /// Whose turn it is, when nothing is being compressed.
    fn next(&mut self) -> Option<Key> {
        if self.job.is_some() || self.waiting.is_empty() {
            return None;
        }
        Some(self.waiting.remove(0))
    }

    fn want(&mut self, of: Key) {
        if !self.waiting.contains(&of) {
            self.waiting.push(of);
        }
    }
}

impl Daemon {
    /// Begins with the next backup, when none is being compressed.
    pub(super) fn pack(&mut self, now: Now) {
        if self.leaving {
            return;
        }
        while let Some(of) = self.outputs.packing.next() {
            let Some((log, number, backups)) = self.outputs.packable(of) else { continue };
            match self.start_packing(&log, number) {
                Ok(child) => {
                    let pid = child.pid;
                    self.outputs.packing.job = Some(Job { of, log, number, backups, pid, status: child.status });
                    self.input(Input::NumberTaken { pid }, now);
                }
                Err(error) => {
                    let _ = fs::remove_file(packing_path(&log));
                    self.tell_unpacked(of, &log, number, &error.to_string());
                }
            }
        }
    }

    fn start_packing(&self, log: &Path, number: u64) -> io::Result<spawn::Child> {
        let path = self.environment.iter().find(|(key, _)| key == "PATH").and_then(|(_, value)| value.to_str());
        let program = command::find(PACKER, path.unwrap_or(DEFAULT_PATH))
            .map_err(|_| failure(io::ErrorKind::Other, format!("no command `{PACKER}` is found")))?;
        let plain = files::open_regular(&Backup { number, packed: false }.path(log))?;
        let packed = packing_path(log);
        // What is left of an earlier time is in the way; a new file follows no link that somebody has put there.
        let _ = fs::remove_file(&packed);
        let mode = plain.metadata()?.permissions().mode() & PERMISSIONS;
        let packed = OpenOptions::new().write(true).create_new(true).mode(mode).open(packed)?;
        let spec = Spec {
            path: &program,
            argv: &[PACKER.into(), TO_STDOUT.into()],
            env: &self.environment,
            directory: None,
            umask: None,
            lead: Lead::Group,
            signals: Signals::Default,
            limits: None,
            credentials: None,
            redirect_stderr: false,
            stdin: Stdin::Fd(plain.as_fd()),
            stdout: Output::Fd(packed.as_raw_fd()),
            stderr: Output::Null,
            keep: &[],
            listen: &[],
            extra: None,
            confined: false,
        };
        spawn::spawn(&spec).map_err(|error| failure(io::ErrorKind::Other, error.to_string()))
    }

    /// If the child that died was compressing.
    pub(super) fn packing_died(&mut self, pid: i32, exit: Exit) -> bool {
        let Some(job) = self.outputs.packing.job.take_if(|job| job.pid == pid) else { return false };
        let made = match (exit, spawn::read_status(&job.status)) {
            (_, ExecStatus::Failed(error)) => Err(format!("`{PACKER}` cannot be executed: {error}")),
            (Exit::Code(0), ExecStatus::Pending | ExecStatus::Execed) => {
                finish(&job).map_err(|error| error.to_string())
            }
            (Exit::Code(_) | Exit::Signal { .. }, ExecStatus::Pending | ExecStatus::Execed) => {
                Err(format!("`{PACKER}` failed ({exit})"))
            }
        };
        match made {
            Ok(()) => {
                self.outputs.packing.told.retain(|of| *of != job.of);
                // There may be older ones.
                self.outputs.packing.want(job.of);
            }
            Err(text) => {
                let _ = fs::remove_file(packing_path(&job.log));
                self.tell_unpacked(job.of, &job.log, job.number, &text);
            }
        }
        true
    }

    /// Told once for each stream, until it works again.
    fn tell_unpacked(&mut self, of: Key, log: &Path, number: u64, text: &str) {
        if self.outputs.packing.told.contains(&of) {
            return;
        }
        self.outputs.packing.told.push(of);
        let backup = Backup { number, packed: false }.path(log);
        self.log(LogLevel::Warn, &format!("cannot compress `{}`: {text}", backup.display()));
    }

    /// The end of the run: lines get no end any more, and a backup that is not done stays what it is.
    pub(super) fn end_logs(&mut self) {
        self.outputs.finish(super::clock::now(), &mut self.poll);
        if let Some(job) = self.outputs.packing.job.take() {
            // It may have ended already.
            let _ = reap::kill_group(job.pid, Number::SIGKILL as i32);
            let _ = fs::remove_file(packing_path(&job.log));
        }
    }
}

/// Gives what was made its name, and deletes what it was made of. A backup that was rotated away meanwhile needs none.
fn finish(job: &Job) -> io::Result<()> {
    let made = packing_path(&job.log);
    if job.number > job.backups {
        return fs::remove_file(made);
    }
    fs::rename(made, Backup { number: job.number, packed: true }.path(&job.log))?;
    fs::remove_file(Backup { number: job.number, packed: false }.path(&job.log))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Stream;
    use crate::supervisor::ProcessId;

    #[test]
    fn backup_that_moves_on_while_it_is_compressed_gets_the_name_it_has_then() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let name = |name: &str| dir.path().join(name);
        let (status, _) = crate::sys::fds::pipe().unwrap();
        let of = (ProcessId(1), Stream::Stdout);
        let job = Job { of, log: log.clone(), number: 1, backups: 3, pid: 1, status };
        let mut packing = Packing { job: Some(job), ..Packing::default() };
        packing.rotated(of, &log, 2);
        packing.rotated(of, Path::new("/another"), 1);
        assert_eq!(packing.waiting, [of]);
        assert_eq!(packing.next(), None);
        fs::write(name("log.3"), "plain").unwrap();
        fs::write(name("log.gz.tmp"), "packed").unwrap();
        finish(packing.job.as_ref().unwrap()).unwrap();
        assert!(!name("log.3").exists() && !name("log.gz.tmp").exists());
        assert_eq!(fs::read(name("log.3.gz")).unwrap(), b"packed");

        // Beyond the last number there is nothing to keep.
        packing.rotated(of, &log, 1);
        fs::write(name("log.gz.tmp"), "packed").unwrap();
        finish(packing.job.as_ref().unwrap()).unwrap();
        assert!(!name("log.gz.tmp").exists() && !name("log.4.gz").exists());
    }
}
