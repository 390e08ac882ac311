//! The one sort of the house, stable. The standard library's is compiled anew for each type and each order, five
//! kilobytes every time; this one hands it positions, so that it is there once.

use std::cmp::Ordering;

/// Sorts by the elements' own order; equal ones keep their places.
pub fn sort<T: Ord>(items: &mut Vec<T>) {
    sort_by(items, T::cmp);
}

/// Sorts by `order`; elements it calls equal keep their places.
pub fn sort_by<T>(items: &mut Vec<T>, order: impl Fn(&T, &T) -> Ordering) {
    let places = sorted_places(items.len(), &|one, other| match (items.get(one), items.get(other)) {
        (Some(one), Some(other)) => order(one, other),
        _ => Ordering::Equal,
    });
    let mut taken: Vec<Option<T>> = std::mem::take(items).into_iter().map(Some).collect();
    items.extend(places.into_iter().filter_map(|place| taken.get_mut(place)?.take()));
}

/// The positions 0 to `count` in the order of what stands there.
fn sorted_places(count: usize, order: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_by(|one, other| order(*one, *other));
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_or_one_stays() {
        let mut none: Vec<String> = Vec::new();
        sort(&mut none);
        assert!(none.is_empty());
        let mut one = vec!["a"];
        sort(&mut one);
        assert_eq!(one, ["a"]);
    }

    #[test]
    fn many_as_the_library_sorts_them() {
        // Multiplied by a number without a common factor, the numbers come in a wild order, each twice.
        let mut mixed: Vec<usize> = (0..2000).map(|n| n * 733 % 1000).collect();
        let mut expected = mixed.clone();
        expected.sort();
        sort(&mut mixed);
        assert_eq!(mixed, expected);
    }

    #[test]
    fn equal_ones_keep_their_places() {
        let mut words = vec!["bb", "a", "cc", "b", "aa"];
        sort_by(&mut words, |one, other| one.len().cmp(&other.len()));
        assert_eq!(words, ["a", "b", "bb", "cc", "aa"]);
    }
}
