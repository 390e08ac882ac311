//! nginx and redis under visor, from one configuration, as people run them: they are talked to, killed, rotated,
//! reloaded and shut down. Where they are not installed, that is printed and nothing is tested.

mod life;
mod servers;
#[path = "../support/mod.rs"]
mod support;
