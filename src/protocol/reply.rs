//! A reply's lines, from and to bytes.

use super::Code;

/// One line of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Keys and values, in order.
    Data(Vec<(String, String)>),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// The end: all well, with an optional text.
    Ok(String),
    /// The end: it failed.
    Error(Code, String),
}

/// Takes a reply apart as its bytes come.
#[derive(Debug, Default)]
pub struct Reader;
