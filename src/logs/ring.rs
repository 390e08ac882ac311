//! The end of a stream in memory, for those that have no file to be read from.

/// The last bytes of what was pushed. Takes memory only as bytes come.
#[derive(Debug, Default)]
pub struct Ring {
    /// Grows to `limit`, then is written over from its beginning.
    bytes: Vec<u8>,
    limit: usize,
    /// Where the next byte goes once it has grown; the oldest stands there.
    at: usize,
    /// Bytes pushed ever.
    total: u64,
}

impl Ring {
    /// An empty one for so many bytes.
    pub fn new(limit: usize) -> Ring {
        Ring { limit, ..Ring::default() }
    }

    /// Adds to the end; what is too old is forgotten.
    pub fn push(&mut self, chunk: &[u8]) {
        self.total = self.total.saturating_add(chunk.len() as u64);
        let surplus = chunk.len().saturating_sub(self.limit);
        let mut rest = chunk.get(surplus..).unwrap_or_default();
        let room = self.limit.saturating_sub(self.bytes.len()).min(rest.len());
        let (first, over) = rest.split_at_checked(room).unwrap_or((rest, &[]));
        self.bytes.extend_from_slice(first);
        rest = over;
        while !rest.is_empty() {
            let Some(place) = self.bytes.get_mut(self.at..).filter(|place| !place.is_empty()) else { return };
            let count = place.len().min(rest.len());
            for (old, new) in place.iter_mut().zip(rest) {
                *old = *new;
            }
            self.at = self.at.saturating_add(count) % self.limit.max(1);
            rest = rest.get(count..).unwrap_or_default();
        }
    }

    /// Another size; the end of what is here stays.
    pub fn resize(&mut self, limit: usize) {
        if limit != self.limit {
            let (kept, total) = (self.tail(0), self.total);
            *self = Ring::new(limit);
            self.push(&kept);
            self.total = total;
        }
    }

    /// Forgets everything, and gives the memory back.
    pub fn clear(&mut self) {
        *self = Ring::new(self.limit);
    }

    /// Whether anything would be kept.
    pub fn keeps(&self) -> bool {
        self.limit > 0
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes that came since it was last emptied, of which the last are here.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The last `count` bytes, as far as they are here; 0 means all of them.
    pub fn tail(&self, count: u64) -> Vec<u8> {
        let count = if count == 0 { u64::MAX } else { count };
        self.part(self.total.saturating_sub(count), count)
    }

    /// What is here of the `length` bytes from `offset` on, counted from the first that came.
    pub fn part(&self, offset: u64, length: u64) -> Vec<u8> {
        let gone = self.total.saturating_sub(self.bytes.len() as u64);
        let from = |place: u64| usize::try_from(place.saturating_sub(gone)).unwrap_or(usize::MAX);
        let (start, end) = (from(offset), from(offset.saturating_add(length)));
        let (newer, older) = self.bytes.split_at_checked(self.at).unwrap_or_default();
        let mut all = [older, newer].concat();
        all.truncate(end);
        all.drain(..start.min(all.len()));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_however_it_comes() {
        let text: Vec<u8> = (0..100).map(|n| b'a' + n % 26).collect();
        for size in [1, 3, 7, 10, 11, 50, 100] {
            let mut ring = Ring::new(10);
            for (count, chunk) in text.chunks(size).enumerate() {
                ring.push(chunk);
                let so_far = &text[..(size * (count + 1)).min(text.len())];
                let kept = &so_far[so_far.len().saturating_sub(10)..];
                assert_eq!(ring.tail(0), kept, "{size}");
                assert_eq!(ring.tail(4), kept[kept.len().saturating_sub(4)..]);
                assert!(ring.bytes.len() <= 10);
            }
            assert_eq!(ring.total(), 100);
        }
    }

    #[test]
    fn parts_are_counted_from_what_came_first() {
        let mut ring = Ring::new(5);
        ring.push(b"0123456789");
        assert_eq!(ring.part(6, 2), b"67");
        assert_eq!(ring.part(0, u64::MAX), b"56789");
        assert_eq!(ring.part(3, 4), b"56");
        assert_eq!(ring.part(0, 5), b"");
        assert_eq!(ring.part(10, 1), b"");
        assert_eq!(ring.part(u64::MAX, u64::MAX), b"");
    }

    #[test]
    fn another_size_keeps_the_end() {
        let mut ring = Ring::new(5);
        ring.push(b"01234567");
        ring.resize(3);
        assert_eq!((ring.tail(0), ring.total()), (b"567".to_vec(), 8));
        ring.resize(6);
        ring.push(b"89");
        assert_eq!((ring.tail(0), ring.part(6, 9)), (b"56789".to_vec(), b"6789".to_vec()));
        ring.resize(0);
        assert!(ring.is_empty());
    }

    #[test]
    fn one_without_room_keeps_nothing_and_an_emptied_one_begins_anew() {
        let mut none = Ring::new(0);
        none.push(b"abc");
        assert!(none.is_empty() && none.tail(0).is_empty());
        let mut ring = Ring::new(4);
        ring.push(b"abcdef");
        ring.clear();
        assert!(ring.is_empty() && ring.total() == 0);
        ring.push(b"gh");
        assert_eq!(ring.tail(0), b"gh");
    }
}
