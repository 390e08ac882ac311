//! Things that need each other: an order in which each comes after what it needs, or the cycle that leaves none.
//!
//! Things are numbers from 0. Nothing here recurses: a chain may be as long as it likes.

use crate::list::List as _;
use std::collections::VecDeque;

/// The things of `needs` (whom each needs), each after all it needs. Those in a cycle, or behind one, are left out.
#[must_use]
pub fn sorted(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut left: Vec<usize> = needs.iter().map(Vec::len).list();
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    for (thing, needed) in needs.iter().enumerate() {
        for need in needed {
            if let Some(list) = needed_by.get_mut(*need) {
                list.push(thing);
            }
        }
    }
    let mut free: VecDeque<usize> = (0..needs.len()).filter(|thing| left.get(*thing) == Some(&0)).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(thing) = free.pop_front() {
        order.push(thing);
        for by in needed_by.get(thing).into_iter().flatten() {
            if let Some(count) = left.get_mut(*by) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    free.push_back(*by);
                }
            }
        }
    }
    order
}

/// A cycle: each needs the next, and the last the first. `None` = there is none.
#[must_use]
pub fn cycle(needs: &[Vec<usize>]) -> Option<Vec<usize>> {
    let mut caught = vec![true; needs.len()];
    for thing in sorted(needs) {
        if let Some(caught) = caught.get_mut(thing) {
            *caught = false;
        }
    }
    let is_caught = |thing: &usize| caught.get(*thing) == Some(&true);
    // Who is caught needs somebody who is caught, so that this way never ends before it comes back.
    let mut at = (0..needs.len()).find(is_caught)?;
    let mut place: Vec<Option<usize>> = vec![None; needs.len()];
    let mut way = Vec::new();
    loop {
        let seen = place.get_mut(at)?;
        if let Some(first) = *seen {
            return Some(way.split_off(first));
        }
        *seen = Some(way.len());
        way.push(at);
        at = needs.get(at)?.iter().copied().find(is_caught)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_puts_each_after_what_it_needs_and_leaves_others_as_they_are() {
        assert_eq!(sorted(&[vec![2], vec![], vec![1], vec![]]), [1, 3, 2, 0]);
        assert!(sorted(&[]).is_empty());
        assert_eq!(cycle(&[vec![2], vec![], vec![1], vec![]]), None);
    }

    #[test]
    fn who_is_in_a_cycle_or_behind_one_has_no_order() {
        let needs = [vec![1], vec![2], vec![3], vec![1], vec![]];
        assert_eq!(sorted(&needs), [4]);
        assert_eq!(cycle(&needs), Some(vec![1, 2, 3]));
        assert_eq!(cycle(&[vec![0]]), Some(vec![0]));
    }

    #[test]
    fn same_need_twice_is_one() {
        assert_eq!(sorted(&[vec![1, 1], vec![]]), [1, 0]);
    }

    #[test]
    fn long_chain_is_no_matter() {
        let needs: Vec<Vec<usize>> = (0..100_000).map(|n| if n == 0 { vec![] } else { vec![n - 1] }).collect();
        assert_eq!(sorted(&needs).len(), needs.len());
    }

    #[test]
    fn need_that_is_not_there_leaves_its_thing_out_and_is_no_cycle() {
        assert!(sorted(&[vec![7]]).is_empty());
        assert_eq!(cycle(&[vec![7]]), None);
    }
}
