//! Bytes → whole lines, with a limit.

/// Collects bytes of one connection into request lines.
#[derive(Debug, Default)]
pub struct Framer;

/// The whole lines a [`Framer`] holds.
#[derive(Debug)]
pub struct Frames;
