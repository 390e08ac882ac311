//! Tests of a log file on real disks, full disks, missing directories, FIFOs and devices.

use super::*;
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::process::Command;

const MODE: u32 = 0o666;

fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn open(path: &Path, maxbytes: i64, backups: i64) -> LogFile {
    let (log, trouble) = LogFile::open(path, maxbytes, backups, MODE);
    assert_eq!(trouble, None);
    log
}

fn kind(trouble: &Option<Trouble>) -> Option<TroubleKind> {
    trouble.as_ref().map(|trouble| trouble.kind)
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

fn make_fifo(path: &Path) {
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap();
}

fn open_reader(path: &Path) -> File {
    OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).unwrap()
}

fn all_files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
}

/// What the original does, step by step, on a directory that is a map.
fn model_write(files: &mut BTreeMap<String, Vec<u8>>, chunk: &[u8], maxbytes: i64, backups: i64) {
    let current = files.entry("f".to_owned()).or_default();
    current.extend_from_slice(chunk);
    if maxbytes <= 0 || (current.len() as i64) < maxbytes {
        return;
    }
    for i in (1..backups).rev() {
        if let Some(content) = files.remove(&format!("f.{i}")) {
            files.insert(format!("f.{}", i + 1), content);
        }
    }
    let content = files.insert("f".to_owned(), Vec::new()).unwrap();
    if backups > 0 {
        files.insert("f.1".to_owned(), content);
    }
}

#[test]
fn any_chunks_limits_and_backups_leave_the_same_files_as_the_model() {
    let mut seed = 1_u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for round in 0..60_u64 {
        let dir = tempfile::tempdir().unwrap();
        let (maxbytes, backups) = (random(60) as i64 - 5, random(6) as i64 - 1);
        for name in ["f", "f.1", "f.3", "f.9"] {
            if random(2) == 0 {
                fs::write(dir.path().join(name), format!("old {name}")).unwrap();
            }
        }
        let mut model = all_files(dir.path());
        let mut log = open(&dir.path().join("f"), maxbytes, backups);
        for step in 0..60_u64 {
            let chunk = vec![b'a' + (step % 26) as u8; 1 + random(40) as usize];
            assert_eq!(log.write(&chunk, at(step * 100)), None);
            model_write(&mut model, &chunk, maxbytes, backups);
            assert_eq!(all_files(dir.path()), model, "round {round}, step {step}, {maxbytes}, {backups}");
            assert_eq!(log.size(), model["f"].len() as u64);
        }
    }
}

#[test]
fn an_empty_write_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("f"), "full enough").unwrap();
    let mut log = open(&dir.path().join("f"), 5, 1);
    assert_eq!(log.write(b"", at(0)), None);
    assert_eq!(all_files(dir.path()).len(), 1);
}

#[test]
fn a_private_log_stays_private_after_rotation_and_clear() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let (mut log, _) = LogFile::open(&path, 5, 1, 0o600);
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    assert_eq!(log.write(b"12345", at(0)), None);
    assert_eq!((mode(), log.size()), (0o600, 0));
    assert_eq!(log.clear(), None);
    assert_eq!(mode(), 0o600);
}

#[test]
fn a_missing_directory_is_told_once_and_writing_resumes_when_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gone/f");
    let (mut log, trouble) = LogFile::open(&path, 0, 0, MODE);
    let expected = format!("cannot open log `{}`: No such file or directory", path.display());
    assert_eq!(trouble.unwrap().message, expected);
    assert!(!log.is_open());
    assert_eq!(log.write(b"abc", at(10)), None);
    fs::create_dir(dir.path().join("gone")).unwrap();
    assert_eq!(log.write(b"de", at(20)), None);
    assert!(!path.exists(), "tried again before the interval was over");
    let resumed = log.write(b"found\n", at(1010)).unwrap();
    assert_eq!(resumed.kind, TroubleKind::Resumed { lost: 5 });
    assert_eq!(resumed.message, format!("log `{}` works again, 5 bytes were lost", path.display()));
    assert_eq!(log.write(b"more\n", at(1020)), None);
    assert_eq!(read(&path), "found\nmore\n");
}

#[test]
fn an_old_file_is_rotated_before_the_next_write_and_a_silent_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut log = open(&path, 0, 2);
    log.keep(Some(Duration::from_secs(10)), false, Duration::ZERO);
    // An empty file gets older only from its first bytes on.
    for (now, text) in [(50_000, "a"), (59_999, "b"), (60_000, "c"), (60_001, "d"), (200_000, "e")] {
        assert_eq!(log.write(text.as_bytes(), at(now)), None);
    }
    assert_eq!([read(&path), read(dir.path().join("log.1")), read(dir.path().join("log.2"))], ["e", "cd", "ab"]);
    assert_eq!((log.take_rotations(), log.take_rotations()), (2, 0));
    log.clear();
    assert_eq!(log.write(b"f", at(500_000)), None);
    assert_eq!(read(dir.path().join("log.1")), "cd");
}

#[test]
fn a_file_that_was_there_has_the_age_of_its_making() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    fs::write(&path, "before").unwrap();
    let mut log = open(&path, 0, 1);
    log.keep(Some(Duration::from_secs(3600)), false, Duration::from_secs(3000));
    log.write(b" and after", at(0));
    assert_eq!(read(&path), "before and after");
    log.write(b" and more", at(599_999));
    assert_eq!(read(&path), "before and after and more");
    log.write(b"later", at(600_000));
    assert_eq!((read(&path).as_str(), read(dir.path().join("log.1")).as_str()), ("later", "before and after and more"));
}

#[test]
fn a_file_with_an_age_and_a_size_keeps_to_both_and_no_backups_means_to_begin_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let mut log = open(&path, 4, 0);
    log.keep(Some(Duration::from_secs(1)), true, Duration::ZERO);
    log.write(b"123", at(0));
    log.write(b"4", at(1));
    assert_eq!(read(&path), "");
    log.write(b"5", at(2));
    log.write(b"6", at(1002));
    assert_eq!(read(&path), "6");
    assert_eq!(log.packable(), None);
}

#[test]
fn a_deleted_file_is_noticed_within_a_second_of_writing_and_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let mut log = open(&path, 0, 0);
    assert_eq!(log.write(b"one\n", at(0)), None);
    fs::remove_file(&path).unwrap();
    assert_eq!(log.write(b"two\n", at(999)), None);
    assert_eq!(kind(&log.write(b"three\n", at(1000))), Some(TroubleKind::Replaced));
    assert_eq!(log.write(b"four\n", at(2000)), None);
    assert_eq!(read(&path), "three\nfour\n");
    assert_eq!(log.size(), 11);
}

#[test]
fn a_replaced_file_is_noticed_and_the_new_one_is_appended_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let mut log = open(&path, 0, 0);
    assert_eq!(log.write(b"one\n", at(0)), None);
    fs::rename(&path, dir.path().join("moved")).unwrap();
    fs::write(&path, "theirs\n").unwrap();
    assert_eq!(kind(&log.write(b"two\n", at(5000))), Some(TroubleKind::Replaced));
    assert_eq!(read(&path), "theirs\ntwo\n");
    assert_eq!(read(dir.path().join("moved")), "one\n");
}

#[test]
fn a_directory_that_was_moved_away_keeps_getting_the_output_until_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, elsewhere) = (dir.path().join("logs"), dir.path().join("elsewhere"));
    fs::create_dir(&logs).unwrap();
    let mut log = open(&logs.join("f"), 4, 2);
    fs::rename(&logs, &elsewhere).unwrap();
    assert_eq!(kind(&log.write(b"one\n", at(0))), Some(TroubleKind::Open));
    assert_eq!(log.write(b"two\n", at(5000)), None);
    assert_eq!(read(elsewhere.join("f")), "one\ntwo\n");
    fs::rename(&elsewhere, &logs).unwrap();
    assert_eq!(kind(&log.write(b"three\n", at(10_000))), Some(TroubleKind::Resumed { lost: 0 }));
    assert_eq!(read(logs.join("f.1")), "one\ntwo\nthree\n");
}

#[test]
fn a_directory_moved_away_and_then_deleted_is_told_again_because_now_output_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, elsewhere) = (dir.path().join("logs"), dir.path().join("elsewhere"));
    fs::create_dir(&logs).unwrap();
    let mut log = open(&logs.join("f"), 0, 0);
    fs::rename(&logs, &elsewhere).unwrap();
    assert_eq!(kind(&log.write(b"kept", at(0))), Some(TroubleKind::Open));
    fs::remove_dir_all(&elsewhere).unwrap();
    assert_eq!(kind(&log.write(b"gone", at(1000))), Some(TroubleKind::Open));
    assert_eq!(log.write(b"gone", at(1001)), None);
    fs::create_dir(&logs).unwrap();
    assert_eq!(kind(&log.write(b"here", at(3000))), Some(TroubleKind::Resumed { lost: 8 }));
}

#[test]
fn a_directory_deleted_with_its_log_loses_and_counts_until_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let logs = dir.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let mut log = open(&logs.join("f"), 4, 2);
    fs::remove_dir_all(&logs).unwrap();
    assert_eq!(kind(&log.write(b"one", at(0))), Some(TroubleKind::Open));
    assert_eq!(log.write(b"two", at(500)), None);
    fs::create_dir(&logs).unwrap();
    assert_eq!(kind(&log.write(b"three", at(1500))), Some(TroubleKind::Resumed { lost: 6 }));
    assert_eq!(read(logs.join("f.1")), "three");
}

#[test]
fn a_file_cut_from_outside_is_not_rotated_by_its_old_size() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let mut log = open(&path, 10, 1);
    assert_eq!(log.write(b"12345678", at(0)), None);
    fs::write(&path, "").unwrap();
    assert_eq!(log.write(b"abc", at(2000)), None);
    assert_eq!(read(&path), "abc");
    assert_eq!(log.size(), 3);
}

#[test]
fn a_rotation_that_fails_loses_nothing_and_is_tried_again_later() {
    let dir = tempfile::tempdir().unwrap();
    let (path, blocker) = (dir.path().join("f"), dir.path().join("f.1"));
    fs::create_dir(&blocker).unwrap();
    fs::write(blocker.join("inside"), "").unwrap();
    let mut log = open(&path, 4, 1);
    let trouble = log.write(b"one\n", at(0)).unwrap();
    assert_eq!(trouble.kind, TroubleKind::Rotate);
    let expected = format!("cannot rotate log `{0}`: cannot rename `{0}` to `{0}.1`: Is a directory", path.display());
    assert_eq!(trouble.message, expected);
    fs::remove_dir_all(&blocker).unwrap();
    assert_eq!(log.write(b"two\n", at(500)), None);
    assert!(!blocker.exists(), "tried again with the next write");
    assert_eq!(kind(&log.write(b"three\n", at(1000))), Some(TroubleKind::Resumed { lost: 0 }));
    assert_eq!(read(&blocker), "one\ntwo\nthree\n");
    assert_eq!(read(&path), "");
    assert_eq!(log.write(b"four\n", at(1001)), None);
    assert_eq!(read(&blocker), "four\n");
}

#[test]
fn a_log_deleted_just_before_its_rotation_starts_afresh() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let mut log = open(&path, 6, 2);
    assert_eq!(log.write(b"one\n", at(0)), None);
    fs::remove_file(&path).unwrap();
    assert_eq!(log.write(b"two\n", at(1)), None);
    assert_eq!(log.write(b"three", at(2)), None);
    assert_eq!(all_files(dir.path()), BTreeMap::from([("f".to_owned(), b"three".to_vec())]));
}

#[test]
fn reopening_after_a_rename_makes_a_new_file_and_keeps_the_renamed_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let mut log = open(&path, 0, 0);
    assert_eq!(log.write(b"one\n", at(0)), None);
    fs::rename(&path, dir.path().join("f.old")).unwrap();
    assert_eq!(log.reopen(), None);
    assert_eq!(log.write(b"two\n", at(1)), None);
    assert_eq!(read(&path), "two\n");
    assert_eq!(read(dir.path().join("f.old")), "one\n");
}

#[test]
fn clearing_empties_the_log_and_keeps_backups() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let mut log = open(&path, 4, 1);
    for chunk in [&b"one\n"[..], b"two"] {
        assert_eq!(log.write(chunk, at(0)), None);
    }
    assert_eq!(log.clear(), None);
    assert_eq!((read(&path), log.size()), (String::new(), 0));
    assert_eq!(read(dir.path().join("f.1")), "one\n");
    assert_eq!(log.write(b"new", at(1)), None);
    assert_eq!(read(&path), "new");
}

#[test]
fn clearing_a_log_that_is_already_gone_makes_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    let mut log = open(&path, 0, 0);
    fs::remove_file(&path).unwrap();
    assert_eq!(log.clear(), None);
    assert_eq!(read(&path), "");
}

#[test]
fn clearing_without_an_open_log_empties_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    clear_unopened(&path).unwrap();
    assert!(!path.exists());
    fs::write(&path, "old").unwrap();
    clear_unopened(&path).unwrap();
    assert_eq!(read(&path), "");
    clear_unopened(Path::new("/dev/null")).unwrap();
    assert!(clear_unopened(&path.join("below")).is_err());
}

#[test]
fn a_symlink_to_a_file_is_written_through_and_watched() {
    let dir = tempfile::tempdir().unwrap();
    let (path, target) = (dir.path().join("f"), dir.path().join("target"));
    std::os::unix::fs::symlink(&target, &path).unwrap();
    let mut log = open(&path, 0, 0);
    assert_eq!(log.write(b"one\n", at(0)), None);
    assert_eq!(log.write(b"two\n", at(2000)), None);
    assert_eq!(read(&target), "one\ntwo\n");
}

#[test]
fn a_device_is_written_and_never_rotated() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    std::os::unix::fs::symlink("/dev/null", &path).unwrap();
    let mut log = open(&path, 1, 3);
    assert_eq!(log.write(b"anything", at(0)), None);
    assert_eq!(log.clear(), None);
    assert_eq!(log.size(), 0);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(fs::read_link(&path).unwrap(), Path::new("/dev/null"));
}

#[test]
fn a_full_device_is_told_once_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("f");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let mut log = open(&path, 0, 0);
    let trouble = log.write(b"abc", at(0)).unwrap();
    assert_eq!(trouble.message, format!("cannot write log `{}`: No space left on device", path.display()));
    assert_eq!(log.write(b"de", at(1)), None);
    assert_eq!(log.write(b"f", at(2000)), None);
    assert_eq!(log.reopen(), None, "opening again does not make room");
    fs::remove_file(&path).unwrap();
    assert_eq!(kind(&log.write(b"back", at(3000))), Some(TroubleKind::Resumed { lost: 6 }));
    assert_eq!(read(&path), "back");
}

#[test]
fn a_fifo_without_reader_neither_hangs_nor_stays_silent_when_one_comes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    make_fifo(&path);
    let (mut log, trouble) = LogFile::open(&path, 1, 1, MODE);
    assert_eq!(kind(&trouble), Some(TroubleKind::Open));
    assert_eq!(log.write(b"lost", at(0)), None);
    let mut reader = open_reader(&path);
    assert_eq!(kind(&log.write(b"heard", at(1000))), Some(TroubleKind::Resumed { lost: 4 }));
    let mut heard = [0; 16];
    assert_eq!(reader.read(&mut heard).unwrap(), 5);
    drop(reader);
    assert_eq!(kind(&log.write(b"alone", at(1001))), Some(TroubleKind::Write));
    assert_eq!(log.write(b"alone", at(5000)), None);
}

#[test]
fn a_full_fifo_drops_and_counts_and_a_slow_reader_does_not_flood_the_messages() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    make_fifo(&path);
    let mut reader = open_reader(&path);
    let mut log = open(&path, 0, 0);
    let chunk = [b'x'; 4096];
    let mut sent = 0_u64;
    let mut first = None;
    while first.is_none() {
        first = log.write(&chunk, at(0));
        sent += chunk.len() as u64;
    }
    assert_eq!(kind(&first), Some(TroubleKind::Write));
    let mut buffer = vec![0; 1 << 20];
    let mut received = 0;
    for _ in 0..5 {
        received += reader.read(&mut buffer).unwrap() as u64;
        for _ in 0..64 {
            assert_eq!(log.write(&chunk, at(10)), None, "a second message while it goes on");
            sent += chunk.len() as u64;
        }
    }
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        received += count as u64;
    }
    let resumed = log.write(b"!", at(1010));
    assert_eq!(kind(&resumed), Some(TroubleKind::Resumed { lost: sent - received }));
    assert_eq!(log.write(b"!", at(1011)), None);
}

/// A small disk that goes away with the test.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Result<SmallDisk, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("not root".to_owned());
        }
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"]).arg(dir.path()).output();
        match mounted {
            Ok(output) if output.status.success() => Ok(SmallDisk(dir)),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_takes_what_fits_and_resumes_when_there_is_room() {
    let disk = match SmallDisk::mount() {
        Ok(disk) => disk,
        Err(reason) => {
            let text = format!("left out: a full disk: no small disk to fill: {}\n", reason.trim());
            let _ = io::Write::write_all(&mut io::stderr(), text.as_bytes());
            return;
        }
    };
    let path = disk.0.path().join("f");
    let filler = disk.0.path().join("filler");
    fs::write(&filler, vec![0; 40 * 1024]).unwrap();
    let mut log = open(&path, 0, 0);
    let chunk: Vec<u8> = (0..48 * 1024).map(|i| (i % 253) as u8).collect();
    let trouble = log.write(&chunk, at(0)).unwrap();
    assert_eq!(trouble.message, format!("cannot write log `{}`: No space left on device", path.display()));
    let kept = fs::read(&path).unwrap();
    assert!(!kept.is_empty() && chunk.starts_with(&kept));
    assert_eq!(log.write(b"nowhere to go", at(1500)), None);
    fs::remove_file(&filler).unwrap();
    let lost = (chunk.len() - kept.len() + b"nowhere to go".len()) as u64;
    assert_eq!(kind(&log.write(b"room", at(3000))), Some(TroubleKind::Resumed { lost }));
    assert_eq!(fs::read(&path).unwrap(), [kept.as_slice(), b"room"].concat());
}
