//! Servers under visor, from one configuration, as people run them: nginx and redis are talked to, killed, rotated, reloaded and shut
//! down; PostgreSQL, a migration, a web program, nginx and a job are one stack that starts and ends in order. Where they are not
//! installed, that is printed and nothing is tested.

mod life;
mod servers;
#[path = "../support/mod.rs"]
mod support;
mod whole;
