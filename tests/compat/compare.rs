//! Plays scenes on both sides and tells where they differ.

use std::thread;

use super::case::{Case, Scene};
use super::original;
use super::run::{Seen, Side, message, one_side};

/// Whether a variable of the tester's environment asks for something.
pub fn wanted(variable: &str) -> bool {
    std::env::var_os(variable).is_some()
}

/// Plays a scene on both sides at the same time; a panic with every difference.
///
/// `COMPAT_SHOW=1` prints what the original did, `COMPAT_ORIGINAL_ONLY=1` leaves visor out, `COMPAT_AGAINST_ITSELF=1`
/// puts the original in visor's place, which shows what is chance.
pub fn compare(scene: &Scene) {
    if original::programs().is_none() {
        return;
    }
    if wanted("COMPAT_ORIGINAL_ONLY") {
        let (seen, log) = one_side(Side::Original, scene);
        show(scene, &seen);
        assert!(seen.iter().all(Result::is_ok), "the original plays every case\n{log}");
        return;
    }
    let second = if wanted("COMPAT_AGAINST_ITSELF") { Side::Original } else { Side::Visor };
    let sides = thread::scope(|scope| {
        let sides = [Side::Original, second].map(|side| scope.spawn(move || one_side(side, scene)));
        sides.map(|side| side.join().map_err(message))
    });
    let [(truth, _), (ours, log)] = sides.map(|side| side.unwrap_or_else(|reason| panic!("{reason}")));
    if wanted("COMPAT_SHOW") {
        show(scene, &truth);
    }
    let whole = Case { name: "the scene's end", ..last_case(scene) };
    let cases = scene.cases.iter().chain([&whole]);
    let mut faults = Vec::new();
    for ((case, truth), ours) in cases.zip(&truth).zip(&ours) {
        match (truth, ours) {
            (Ok(truth), Ok(ours)) => faults.extend(differences(case, truth, ours)),
            (Err(reason), _) => faults.push(format!("case `{}`: the original broke off: {reason}", case.name)),
            (_, Err(reason)) => faults.push(format!("case `{}`: visor broke off: {reason}", case.name)),
        }
    }
    assert!(faults.is_empty(), "{} differences\n\n{}\n--- visor's log ---\n{log}", faults.len(), faults.join("\n\n"));
}

/// The scene's end has its intended differences in the last case.
fn last_case(scene: &Scene) -> Case {
    scene.cases.last().cloned().unwrap_or_default()
}

/// Every difference that is not intended, and every intended one that is none (any more).
pub fn differences(case: &Case, truth: &Seen, ours: &Seen) -> Vec<String> {
    let mut faults = Vec::new();
    for (subject, truth) in truth {
        let nothing = Vec::new();
        let ours = ours.get(subject).unwrap_or(&nothing);
        let intended = case.intended.iter().find(|intended| intended.subject == subject);
        let fault = match intended {
            None if ours == truth => continue,
            None if case.original_may_fail && failed(truth) && !failed(ours) => continue,
            None => side_by_side(truth, ours),
            Some(intended) if ours == intended.visor && ours != truth => continue,
            Some(intended) if ours == truth => format!("    no difference, but one is intended: {}", intended.reason),
            Some(intended) => {
                let wanted: Vec<_> = intended.visor.iter().map(|line| (*line).to_owned()).collect();
                format!("    intended: {}\n{}", intended.reason, side_by_side(&wanted, ours))
            }
        };
        faults.push(format!("case `{}`, {subject}:\n{fault}", case.name));
    }
    faults
}

/// Whether an answer of the server tells of a mistake of its own.
fn failed(lines: &[String]) -> bool {
    let wrong = |line: &str| line.starts_with("HTTP 5") || line.starts_with("no answer") || line == "TimeoutError";
    lines.is_empty() || lines.iter().any(|line| wrong(line))
}

/// Both sides, line by line.
pub fn side_by_side(truth: &[String], ours: &[String]) -> String {
    let mut text = String::new();
    for at in 0..truth.len().max(ours.len()) {
        match (truth.get(at), ours.get(at)) {
            (Some(one), Some(two)) if one == two => text += &format!("      {one}\n"),
            (one, two) => {
                text += &one.map_or(String::new(), |line| format!("    original: {line}\n"));
                text += &two.map_or(String::new(), |line| format!("    visor:    {line}\n"));
            }
        }
    }
    text
}

fn show(scene: &Scene, seen: &[Result<Seen, String>]) {
    let names = scene.cases.iter().map(|case| case.name).chain(["the scene's end"]);
    for (name, seen) in names.zip(seen) {
        println!("== {name}");
        match seen {
            Ok(seen) => seen.iter().for_each(|(subject, lines)| println!("  {subject}\n    {}", lines.join("\n    "))),
            Err(reason) => println!("  broke off: {reason}"),
        }
    }
}
