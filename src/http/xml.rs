//! XML-RPC's values, and its calls and responses to and from XML.
//!
//! Owns: the eight types, both directions, and the limits of what is read. Does not own: which methods there are.
//!
//! A character that XML cannot carry is written as a visible stand-in: a control character as its picture (ESC as U+241B),
//! the two non-characters as U+FFFD. A carriage return is written as a reference, or a reader would make a line feed of it.

mod read;
mod scan;
mod write;

pub use read::{Call, Reply, XmlError, parse_call, parse_response};
pub use write::{TextStream, lossy_text, write_call, write_fault, write_response};

/// Deepest nesting of arrays and structs that is read.
pub const MAX_DEPTH: u32 = 32;
/// Most elements and texts of a document that is read.
pub const MAX_NODES: u32 = 256 * 1024;

/// A value of XML-RPC.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `int` and `i4`.
    Int(i32),
    /// `boolean`.
    Bool(bool),
    /// `string`, and a value without a type.
    String(String),
    /// `double`.
    Double(f64),
    /// `dateTime.iso8601`, as it is written.
    DateTime(String),
    /// `base64`, decoded.
    Base64(Vec<u8>),
    /// `array`.
    Array(Vec<Value>),
    /// `struct`, its members in order.
    Struct(Vec<(String, Value)>),
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<String>) -> Value {
        Value::String(text.into())
    }

    /// A number, cut to the 32 bits that an `int` has.
    pub fn int(number: impl TryInto<i64>) -> Value {
        let wide = number.try_into().unwrap_or(i64::MAX);
        Value::Int(wide.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32)
    }

    /// A struct of these members.
    pub fn record<const N: usize>(members: [(&str, Value); N]) -> Value {
        Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// A member of a struct; of several with one name the last.
    #[must_use]
    pub fn member(&self, name: &str) -> Option<&Value> {
        match self {
            Value::Struct(members) => members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value),
            Value::Int(_)
            | Value::Bool(_)
            | Value::String(_)
            | Value::Double(_)
            | Value::DateTime(_)
            | Value::Base64(_)
            | Value::Array(_) => None,
        }
    }
}
