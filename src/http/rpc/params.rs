//! A call's parameters as what they should be.
//!
//! Owns: which types are taken for which. Does not own: how many there may be.

use super::fault::{Fault, Kind};
use crate::http::xml::Value;

/// The parameters of one call.
#[derive(Debug, Clone, Copy)]
pub struct Params<'a>(pub &'a [Value]);

impl<'a> Params<'a> {
    /// A text.
    ///
    /// # Errors
    /// INCORRECT_PARAMETERS.
    pub fn text(self, index: usize) -> Result<&'a str, Fault> {
        match self.0.get(index) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(incorrect()),
        }
    }

    /// Bytes: of a text as UTF-8, or of base64.
    ///
    /// # Errors
    /// INCORRECT_PARAMETERS, with what it is instead.
    pub fn bytes(self, index: usize) -> Result<&'a [u8], Fault> {
        match self.0.get(index) {
            Some(Value::String(text)) => Ok(text.as_bytes()),
            Some(Value::Base64(bytes)) => Ok(bytes),
            Some(Value::Int(number)) => Err(Fault::about(Kind::IncorrectParameters, number)),
            Some(Value::Bool(yes)) => Err(Fault::about(Kind::IncorrectParameters, if *yes { "True" } else { "False" })),
            Some(Value::Double(_) | Value::DateTime(_) | Value::Array(_) | Value::Struct(_)) | None => Err(incorrect()),
        }
    }

    /// A whole number, also one written as text, as the original takes it.
    ///
    /// # Errors
    /// INCORRECT_PARAMETERS.
    pub fn number(self, index: usize) -> Result<i64, Fault> {
        match self.0.get(index) {
            Some(Value::Int(number)) => Ok(i64::from(*number)),
            Some(Value::String(text)) => text.trim().parse().map_err(|_| incorrect()),
            Some(Value::Bool(yes)) => Ok(i64::from(*yes)),
            Some(Value::Double(number)) if number.is_finite() => Ok(number.trunc() as i64),
            _ => Err(incorrect()),
        }
    }

    /// Whether to do something: anything that is not empty, zero or false means so; left out, it means so too.
    #[must_use]
    pub fn flag(self, index: usize) -> bool {
        match self.0.get(index) {
            None => true,
            Some(Value::Bool(yes)) => *yes,
            Some(Value::Int(number)) => *number != 0,
            Some(Value::Double(number)) => *number != 0.0,
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Base64(bytes)) => !bytes.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Struct(members)) => !members.is_empty(),
            Some(Value::DateTime(_)) => true,
        }
    }

    /// A word that may be a number.
    ///
    /// # Errors
    /// INCORRECT_PARAMETERS.
    pub fn word(self, index: usize) -> Result<String, Fault> {
        match self.0.get(index) {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Int(number)) => Ok(number.to_string()),
            _ => Err(incorrect()),
        }
    }
}

fn incorrect() -> Fault {
    Fault::new(Kind::IncorrectParameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_takes_what_the_original_takes() {
        let values = [
            Value::text("web"),
            Value::Int(5),
            Value::text(" -12 "),
            Value::Bool(false),
            Value::Double(3.9),
            Value::Base64(vec![0, 255]),
            Value::Array(Vec::new()),
        ];
        let params = Params(&values);
        assert_eq!(params.text(0), Ok("web"));
        assert_eq!(params.text(1), Err(incorrect()));
        assert_eq!(
            (params.number(1), params.number(2), params.number(3), params.number(4)),
            (Ok(5), Ok(-12), Ok(0), Ok(3))
        );
        assert_eq!(
            (params.number(0), params.number(6), params.number(9)),
            (Err(incorrect()), Err(incorrect()), Err(incorrect()))
        );
        assert_eq!(params.bytes(5), Ok(&[0, 255][..]));
        assert_eq!(params.bytes(1), Err(Fault::about(Kind::IncorrectParameters, 5)));
        assert_eq!((params.word(1), params.word(0)), (Ok("5".to_owned()), Ok("web".to_owned())));
        let flags: Vec<bool> = (0..8).map(|index| params.flag(index)).collect();
        assert_eq!(flags, [true, true, true, false, true, true, false, true]);
    }
}
