//! Changes of state. The original's API tells of none, so its list of processes is looked at again and again: what changes and changes
//! back in between is not seen.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::answer::all_processes;
use super::reply::{Out, Stop};
use super::server::Server;
use super::translate::{Name, data, name_of, number, text};
use crate::http::xml::Value;
use crate::protocol::{Code, Line};

/// How long between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// The family of events that can be told.
const FAMILY: &str = "PROCESS_STATE";
/// What stands before a state in the name of its event.
const PREFIX: &str = "PROCESS_STATE_";
/// Families that it is part of.
const WHOLE: [&str; 2] = [FAMILY, "EVENT"];

/// What is known of a process: its state and pid.
type Seen = (String, i32);

/// Tells of changes until svc or the server is gone.
pub async fn watch(server: &Server, kinds: &[String], names: &[String], out: &mut Out) -> Result<Line, Stop> {
    if let Some(kind) = kinds.iter().find(|kind| !can_be_told(kind)) {
        let text = format!("a supervisord tells `{kind}` to its own listeners only; {FAMILY} can be watched from here");
        return Ok(Line::Error(Code::Failed, text));
    }
    let names: Vec<Name> = names.iter().map(|name| Name::parse(name)).collect();
    let mut before = look(server, &names).await?;
    loop {
        tokio::time::sleep(PAUSE).await;
        let now = look(server, &names).await?;
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for line in changes(&before, &now, time) {
            if is_wanted(&line, kinds) {
                out.line(&line).await?;
            }
        }
        before = now;
    }
}

fn can_be_told(kind: &str) -> bool {
    WHOLE.contains(&kind) || kind.starts_with(PREFIX)
}

fn is_wanted(line: &Line, kinds: &[String]) -> bool {
    let is_it = |kind: &String| WHOLE.contains(&kind.as_str()) || line.get("event") == Some(kind);
    kinds.is_empty() || kinds.iter().any(is_it)
}

async fn look(server: &Server, names: &[Name]) -> Result<BTreeMap<String, Seen>, Stop> {
    let is_meant = |info: &&Value| names.is_empty() || names.iter().any(|name| name.covers(info));
    let seen = |info: &Value| (name_of(info), (text(info, "statename").to_owned(), number(info, "pid")));
    Ok(all_processes(server).await?.iter().filter(is_meant).map(seen).collect())
}

/// An event for each process that is new, has another state, or runs as another child.
fn changes(before: &BTreeMap<String, Seen>, now: &BTreeMap<String, Seen>, time: Duration) -> Vec<Line> {
    let time = format!("{}.{:03}", time.as_secs(), time.subsec_millis());
    let change = |(name, (state, pid)): (&String, &Seen)| {
        let from = before.get(name);
        if from == Some(&(state.clone(), *pid)) {
            return None;
        }
        let from = from.map_or("UNKNOWN", |(state, _)| state);
        let (event, pid) = (format!("{PREFIX}{state}"), pid.to_string());
        let pairs = [("event", &*event), ("name", name), ("from", from), ("to", state), ("pid", &pid), ("time", &time)];
        Some(data(&pairs))
    };
    now.iter().filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(list: &[(&str, &str, i32)]) -> BTreeMap<String, Seen> {
        list.iter().map(|&(name, state, pid)| (name.to_owned(), (state.to_owned(), pid))).collect()
    }

    #[test]
    fn change_of_state_or_child_is_an_event_and_sameness_is_none() {
        let before = seen(&[("a", "RUNNING", 5), ("b", "STARTING", 6), ("c", "STOPPED", 0), ("gone", "STOPPED", 0)]);
        let now = seen(&[("a", "RUNNING", 7), ("b", "RUNNING", 6), ("c", "STOPPED", 0), ("new", "STARTING", 9)]);
        let lines = changes(&before, &now, Duration::from_millis(5_007));
        let told: Vec<_> = lines
            .iter()
            .map(|line| ["event", "name", "from", "pid", "time"].map(|key| line.get(key).unwrap()))
            .collect();
        assert_eq!(
            told,
            [
                ["PROCESS_STATE_RUNNING", "a", "RUNNING", "7", "5.007"],
                ["PROCESS_STATE_RUNNING", "b", "STARTING", "6", "5.007"],
                ["PROCESS_STATE_STARTING", "new", "UNKNOWN", "9", "5.007"],
            ]
        );
        assert!(is_wanted(&lines[0], &["PROCESS_STATE_RUNNING".to_owned()]));
        assert!(!is_wanted(&lines[0], &["PROCESS_STATE_STOPPED".to_owned()]));
    }

    #[test]
    fn only_states_can_be_told() {
        assert!(["PROCESS_STATE", "PROCESS_STATE_FATAL", "EVENT"].into_iter().all(can_be_told));
        assert!(!["TICK", "TICK_5", "PROCESS_LOG", "PROCESS_STATES"].into_iter().any(can_be_told));
    }
}
