//! A seeded simulation: the whole [`visor::supervisor::Supervisor`] against an invented kernel, invented clients and invented
//! configurations. Every run is replayed by its one number.
//!
//! `VISOR_SEED=n` runs that seed alone and prints every turn; `VISOR_SEEDS=n` runs that many, however long it takes.

mod checks;
mod conditions;
mod hooks;
mod kernel;
mod listeners;
mod outside;
mod rng;
mod settings;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use world::World;

/// Seeds of a run that is not told how many.
const DEFAULT_SEEDS: u64 = 2000;
/// A run that is not told how many ends after this, however many it did.
const DEFAULT_PATIENCE: Duration = Duration::from_secs(5);
/// Fewer than this, and the machine is too slow for the test to say anything.
const FEWEST_SEEDS: u64 = 20;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Runs one seed; its turns, or what went wrong.
fn run(seed: u64, trace: bool) -> Result<u64, String> {
    let mut turns = 0;
    let result = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(seed, trace);
        let result = world.run();
        turns = world.turns();
        result
    }));
    match result {
        Ok(Ok(())) => Ok(turns),
        Ok(Err(broken)) => Err(broken),
        Err(_) => Err("the supervisor panicked (see above)".to_string()),
    }
}

#[test]
fn whole_supervisor_any_seed_keeps_its_promises() {
    if let Some(seed) = number("VISOR_SEED") {
        if let Err(broken) = run(seed, true) {
            panic!("seed {seed}: {broken}");
        }
        return;
    }
    let told = number("VISOR_SEEDS");
    let seeds = told.unwrap_or(DEFAULT_SEEDS);
    let start = Instant::now();
    let (mut turns, mut done) = (0, 0);
    for seed in 1..=seeds {
        match run(seed, false) {
            Ok(more) => turns += more,
            Err(broken) => panic!("seed {seed}: {broken}\nreplay it with VISOR_SEED={seed}"),
        }
        done += 1;
        if told.is_none() && start.elapsed() > DEFAULT_PATIENCE {
            break;
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{done} seeds, {turns} turns, {:.0} turns per second", turns as f64 / seconds);
    assert!(told.is_some() || done >= FEWEST_SEEDS, "only {done} seeds in {seconds:.1} s");
}

#[test]
fn one_seed_run_twice_takes_the_same_turns() {
    assert_eq!(run(7, false), run(7, false));
}
