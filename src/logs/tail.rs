//! Reading a log: its end, or a part of it, in blocks, so that no log is ever in memory as a whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::sys::failure::failure;

/// The most that [`TailReader::next_block`] yields at a time, in bytes.
pub const BLOCK: usize = 64 * 1024;

/// Reads a stretch of a log that was fixed when the reader was made; what is appended later is not
/// part of it.
#[derive(Debug)]
pub struct TailReader {
    file: File,
    remaining: u64,
}

impl TailReader {
    /// Reads the last `bytes` of the file at `path`; 0 means all of it.
    ///
    /// # Errors
    /// The file cannot be opened, or is not a plain file.
    pub fn open(path: &Path, bytes: u64) -> io::Result<TailReader> {
        let (file, size) = open_plain(path)?;
        let wanted = if bytes == 0 { size } else { bytes.min(size) };
        TailReader::at(file, size - wanted, wanted)
    }

    /// Reads `bytes` from `offset` on, or what there is of them, and answers the size of the whole as well.
    ///
    /// # Errors
    /// The file cannot be opened, or is not a plain file.
    pub fn open_at(path: &Path, offset: u64, bytes: u64) -> io::Result<(TailReader, u64)> {
        let (file, size) = open_plain(path)?;
        let start = offset.min(size);
        Ok((TailReader::at(file, start, bytes.min(size - start))?, size))
    }

    /// Bytes still to come.
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Replaces the content of `block` by the next bytes, at most [`BLOCK`]. False when there are no
    /// more; if [`TailReader::remaining`] is not 0 then, somebody has cut the file meanwhile.
    ///
    /// # Errors
    /// What the system said; the reader may be asked again.
    pub fn next_block(&mut self, block: &mut Vec<u8>) -> io::Result<bool> {
        block.clear();
        let wanted = self.remaining.min(BLOCK as u64);
        let read = Read::by_ref(&mut self.file).take(wanted).read_to_end(block)?;
        self.remaining = self.remaining.saturating_sub(read as u64);
        Ok(read > 0)
    }

    fn at(mut file: File, start: u64, remaining: u64) -> io::Result<TailReader> {
        file.seek(SeekFrom::Start(start))?;
        Ok(TailReader { file, remaining })
    }
}

/// The last `bytes` of the file at `path` (0: all of it), but never more than the last `limit`.
///
/// # Errors
/// The file cannot be opened or read, or is not a plain file.
pub fn tail(path: &Path, bytes: u64, limit: u64) -> io::Result<Vec<u8>> {
    let wanted = if bytes == 0 { limit } else { bytes.min(limit) };
    if wanted == 0 {
        return Ok(Vec::new());
    }
    let mut reader = TailReader::open(path, wanted)?;
    let (mut text, mut block) = (Vec::new(), Vec::new());
    while reader.next_block(&mut block)? {
        text.extend_from_slice(&block);
    }
    Ok(text)
}

/// Opens a plain file for reading. Anything else is refused: a FIFO or a terminal would take bytes
/// away from their reader, and has no end to read from.
fn open_plain(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(failure(io::ErrorKind::InvalidInput, "not a plain file"));
    }
    Ok((file, facts.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn file_with(content: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        fs::write(&path, content).unwrap();
        (dir, path)
    }

    #[test]
    fn the_end_the_whole_and_the_limit() {
        let (_dir, path) = file_with(b"0123456789");
        assert_eq!(tail(&path, 3, 100).unwrap(), b"789");
        assert_eq!(tail(&path, 0, 100).unwrap(), b"0123456789");
        assert_eq!(tail(&path, 0, 4).unwrap(), b"6789");
        assert_eq!(tail(&path, 50, 100).unwrap(), b"0123456789");
        assert_eq!(tail(&path, 5, 0).unwrap(), b"");
    }

    #[test]
    fn an_empty_file_yields_nothing_and_a_missing_one_an_error() {
        let (dir, path) = file_with(b"");
        assert_eq!(tail(&path, 0, 100).unwrap(), b"");
        let error = tail(&dir.path().join("none"), 0, 100).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_slice_stops_at_the_end_of_the_file() {
        let (_dir, path) = file_with(b"0123456789");
        let mut block = Vec::new();
        for (offset, bytes, expected) in
            [(2, 3, &b"234"[..]), (8, 9, b"89"), (4, 0, b""), (10, 1, b""), (99, u64::MAX, b"")]
        {
            let (mut reader, size) = TailReader::open_at(&path, offset, bytes).unwrap();
            assert_eq!(size, 10);
            assert_eq!(reader.remaining(), expected.len() as u64);
            assert_eq!(reader.next_block(&mut block).unwrap(), !expected.is_empty());
            assert_eq!(block, expected);
            assert_eq!(reader.remaining(), 0);
        }
    }

    #[test]
    fn a_long_file_comes_in_blocks_and_without_what_is_appended_later() {
        let content: Vec<u8> = (0..3 * BLOCK + 7).map(|i| (i % 251) as u8).collect();
        let (_dir, path) = file_with(&content);
        let mut reader = TailReader::open(&path, 0).unwrap();
        OpenOptions::new()
            .append(true)
            .open(&path)
            .and_then(|mut file| io::Write::write_all(&mut file, b"later"))
            .unwrap();
        let (mut all, mut block, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
        while reader.next_block(&mut block).unwrap() {
            sizes.push(block.len());
            all.extend_from_slice(&block);
        }
        assert_eq!(sizes, [BLOCK, BLOCK, BLOCK, 7]);
        assert!(all == content);
    }

    #[test]
    fn a_file_cut_meanwhile_ends_early_and_says_so() {
        let (_dir, path) = file_with(b"0123456789");
        let mut reader = TailReader::open(&path, 0).unwrap();
        fs::write(&path, b"").unwrap();
        assert!(!reader.next_block(&mut Vec::new()).unwrap());
        assert_eq!(reader.remaining(), 10);
    }

    #[test]
    fn a_fifo_or_a_device_is_refused_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [fifo.as_path(), Path::new("/dev/null"), dir.path()] {
            assert_eq!(tail(path, 0, 100).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{}", path.display());
        }
    }
}
