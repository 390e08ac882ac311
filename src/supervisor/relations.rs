//! Who needs whom among the active processes, and the one order that this and the priorities make.

use super::table::ProcessId;
use crate::config::{self, Group};
use crate::graph;
use crate::list::List as _;
use crate::sorted::Map;

/// Priorities of a group and of a process in it.
pub(super) type Wave = (i64, i64);
/// A wave, and how many needs deep in it.
pub(super) type Rank = (Wave, u32);

/// Who needs whom.
#[derive(Debug, Default)]
pub(super) struct Relations {
    /// Of those with conditions, whom each condition means; `None` = nobody active has that name.
    needs: Map<ProcessId, Vec<Option<Vec<ProcessId>>>>,
    /// Those with conditions, each after what it needs. Who is in a cycle is left out: groups of an old and a new configuration can
    /// make one, side by side.
    order: Vec<ProcessId>,
}

impl Relations {
    /// Of active groups, each with its processes in the order of its configuration.
    pub fn of(groups: &[(&Group, &[ProcessId])]) -> Relations {
        let configs: Vec<&Group> = groups.iter().map(|(config, _)| *config).list();
        let ids: Vec<ProcessId> = groups.iter().map(|(_, ids)| *ids).list().concat();
        let meant = config::meant(&configs);
        let whole: Vec<Vec<usize>> = meant.iter().map(|needs| needs.iter().flatten().flatten().copied().list()).list();
        let id = |number: &usize| ids.get(*number).copied();
        let mut relations = Relations::default();
        for (number, needs) in meant.iter().enumerate().filter(|(_, needs)| !needs.is_empty()) {
            let needs = needs.iter().map(|meant| Some(meant.as_ref()?.iter().filter_map(id).list())).list();
            relations.needs.extend(id(&number).map(|id| (id, needs)));
        }
        let sorted = graph::sorted(&whole);
        relations.order = sorted.iter().filter_map(id).filter(|id| relations.needs.contains_key(id)).list();
        relations
    }

    /// Whether nobody needs anybody.
    pub fn is_empty(&self) -> bool {
        self.needs.is_empty()
    }

    /// Whom each of a process' conditions means, in their order.
    pub fn needs(&self, id: ProcessId) -> &[Option<Vec<ProcessId>>] {
        self.needs.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The ranks of those with conditions: never before what they need, and behind it where both are of one wave.
    pub fn ranks(&self, own: &dyn Fn(ProcessId) -> Option<Wave>) -> Map<ProcessId, Rank> {
        let mut ranks: Map<ProcessId, Rank> = Map::new();
        for id in &self.order {
            let Some(wave) = own(*id) else { continue };
            let mut rank = (wave, 0);
            for need in self.needs(*id).iter().flatten().flatten() {
                let of_need = ranks.get(need).copied().or_else(|| Some((own(*need)?, 0)));
                rank = rank.max(of_need.map_or(rank, |(wave, depth)| (wave, depth.saturating_add(1))));
            }
            ranks.insert(*id, rank);
        }
        ranks
    }
}
