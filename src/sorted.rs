//! Maps and sets that are sorted lists. They do what the standard library's trees do, which are faster from some ten
//! thousand entries on, but are compiled anew for each type, four to six kilobytes every time.
//!
//! Finding is a binary search; putting in and taking out move what stands behind. Keys that only grow, like our
//! numbers, are put at the end.

use std::borrow::Borrow;
use std::cmp::Ordering;

/// Where among `length` sorted elements the wanted one is, or would be; `order` says how the one at a place compares to it. There once for all
/// types.
#[inline(never)]
fn search(length: usize, order: &dyn Fn(usize) -> Ordering) -> Result<usize, usize> {
    let (mut from, mut to) = (0, length);
    while from < to {
        let middle = from.midpoint(to);
        match order(middle) {
            Ordering::Less => from = middle.saturating_add(1),
            Ordering::Equal => return Ok(middle),
            Ordering::Greater => to = middle,
        }
    }
    Err(from)
}

/// Values by key, in the order of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map<K, V> {
    entries: Vec<(K, V)>,
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Map<K, V> {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Map { entries: Vec::new() }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// Keys and values, from the lowest key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + ExactSizeIterator + Clone {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// Keys and values that can be changed, from the lowest key.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        self.entries.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// Keys from the lowest.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator + Clone {
        self.entries.iter().map(|(key, _)| key)
    }

    /// Values in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + ExactSizeIterator + Clone {
        self.entries.iter().map(|(_, value)| value)
    }

    /// Values that can be changed, in the order of their keys.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// The values alone, in the order of their keys.
    pub fn into_values(self) -> impl DoubleEndedIterator<Item = V> {
        self.entries.into_iter().map(|(_, value)| value)
    }

    /// Keeps what `wanted` says yes to.
    pub fn retain(&mut self, mut wanted: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain_mut(|(key, value)| wanted(key, value));
    }
}

impl<K: Ord, V> Map<K, V> {
    /// Where `key` stands, or would stand.
    fn place<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        search(self.entries.len(), &|at| {
            self.entries.get(at).map_or(Ordering::Greater, |(other, _)| other.borrow().cmp(key))
        })
    }

    /// The value of `key`.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(self.place(key).ok()?).map(|(_, value)| value)
    }

    /// The value of `key`, to change it.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        self.entries.get_mut(place).map(|(_, value)| value)
    }

    /// Whether `key` has a value.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.place(key).is_ok()
    }

    /// Gives `key` this value; the one it had before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(place) => self.entries.get_mut(place).map(|(_, old)| std::mem::replace(old, value)),
            Err(place) => {
                self.entries.insert(place, (key, value));
                None
            }
        }
    }

    /// Takes `key` out; the value it had.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let place = self.place(key).ok()?;
        Some(self.entries.remove(place).1)
    }

    /// Gives `key` a value if it has none.
    pub fn insert_new(&mut self, key: K, make: impl FnOnce() -> V) {
        if let Err(place) = self.place(&key) {
            self.entries.insert(place, (key, make()));
        }
    }

    /// Changes the value of `key`, a default one if it has none.
    pub fn change(&mut self, key: K, how: impl FnOnce(&mut V))
    where
        V: Default,
    {
        match self.place(&key) {
            Ok(place) => self.entries.get_mut(place).map_or((), |(_, value)| how(value)),
            Err(place) => {
                let mut value = V::default();
                how(&mut value);
                self.entries.insert(place, (key, value));
            }
        }
    }
}

impl<'a, K, V> IntoIterator for &'a Map<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = std::iter::Map<std::slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.iter().map(|(key, value)| (key, value))
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for Map<K, V> {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

impl<K: Ord, V> Extend<(K, V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, more: I) {
        for (key, value) in more {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

/// Values in their order, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set<T> {
    items: Vec<T>,
}

impl<T> Default for Set<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Set<T> {
    /// An empty one.
    #[must_use]
    pub const fn new() -> Self {
        Set { items: Vec::new() }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.items.clear();
    }

    /// From the lowest.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    /// The lowest.
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.items.first()
    }
}

impl<T: Ord> Set<T> {
    /// Where `item` stands, or would stand.
    fn place<Q: Ord + ?Sized>(&self, item: &Q) -> Result<usize, usize>
    where
        T: Borrow<Q>,
    {
        search(self.items.len(), &|at| self.items.get(at).map_or(Ordering::Greater, |other| other.borrow().cmp(item)))
    }

    /// Whether `item` is in.
    pub fn contains<Q: Ord + ?Sized>(&self, item: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        self.place(item).is_ok()
    }

    /// Puts `item` in; whether it was not there before.
    pub fn insert(&mut self, item: T) -> bool {
        match self.place(&item) {
            Ok(_) => false,
            Err(place) => {
                self.items.insert(place, item);
                true
            }
        }
    }

    /// Takes the lowest out.
    pub fn pop_first(&mut self) -> Option<T> {
        (!self.items.is_empty()).then(|| self.items.remove(0))
    }

    /// Takes `item` out; whether it was there.
    pub fn remove<Q: Ord + ?Sized>(&mut self, item: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        match self.place(item) {
            Ok(place) => {
                self.items.remove(place);
                true
            }
            Err(_) => false,
        }
    }
}

impl<T: Ord> Extend<T> for Set<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, more: I) {
        for item in more {
            self.insert(item);
        }
    }
}

impl<T: Ord> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut set = Self::new();
        set.extend(items);
        set
    }
}

impl<T> IntoIterator for Set<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Set<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Numbers below `under` in a wild order.
    fn wild(count: usize, under: usize) -> impl Iterator<Item = usize> {
        (0..count).map(move |n| n * 7919 % 10_007 % under)
    }

    #[test]
    fn map_after_many_changes_holds_what_a_tree_holds() {
        let (mut ours, mut tree) = (Map::new(), BTreeMap::new());
        for (turn, key) in wild(5000, 300).enumerate() {
            if turn % 3 == 0 {
                assert_eq!(ours.remove(&key), tree.remove(&key));
            } else {
                assert_eq!(ours.insert(key, turn), tree.insert(key, turn));
            }
            assert_eq!(ours.get(&key), tree.get(&key));
            assert_eq!(ours.contains_key(&(key + 1)), tree.contains_key(&(key + 1)));
        }
        ours.retain(|key, _| key % 2 == 0);
        tree.retain(|key, _| key % 2 == 0);
        assert!(!ours.is_empty());
        assert!(ours.iter().eq(tree.iter()));
        assert!(ours.keys().eq(tree.keys()));
        assert!(ours.values().eq(tree.values()));
    }

    #[test]
    fn set_after_many_changes_holds_what_a_tree_holds() {
        let (mut ours, mut tree) = (Set::new(), BTreeSet::new());
        for (turn, item) in wild(5000, 300).enumerate() {
            if turn % 3 == 0 {
                assert_eq!(ours.remove(&item), tree.remove(&item));
            } else {
                assert_eq!(ours.insert(item), tree.insert(item));
            }
            assert_eq!(ours.first(), tree.first());
        }
        assert!(ours.iter().eq(tree.iter()));
    }

    #[test]
    fn key_of_text_is_found_by_a_slice_of_it() {
        let mut map: Map<String, i32> = [("b".to_owned(), 2), ("a".to_owned(), 1)].into_iter().collect();
        assert_eq!(map.get("a"), Some(&1));
        map.change("a".to_owned(), |value| *value += 10);
        map.change("c".to_owned(), |value| *value += 10);
        map.insert_new("a".to_owned(), || 7);
        map.insert_new("d".to_owned(), || 7);
        assert_eq!(map.into_values().collect::<Vec<_>>(), [11, 2, 10, 7]);
    }
}
