//! A look at a document before it is parsed.
//!
//! Owns: the bound on attributes. Does not own: whether it is well-formed.
//!
//! XML-RPC has no attributes, and the parser's work grows with the square of their number: of those in one element, which it compares
//! with each other, and of namespaces declared one within the other, which it copies. So a document with many is not given to it.

/// Attributes, declarations of namespaces among them, that a document may have in all.
pub(super) const MAX_ATTRIBUTES: usize = 64;

/// Whether a document has no more attributes than it may. Of what is not well-formed it may say either.
pub(super) fn has_few_attributes(text: &str) -> bool {
    let mut rest = text.as_bytes();
    let mut left = MAX_ATTRIBUTES;
    while let Some(at) = position(rest, b"<") {
        rest = rest.get(at..).unwrap_or_default();
        let skipped = [(&b"<![CDATA["[..], &b"]]>"[..]), (b"<!--", b"-->"), (b"<?", b"?>")]
            .into_iter()
            .find(|(open, _)| rest.starts_with(open));
        rest = match skipped {
            Some((open, close)) => after(rest.get(open.len()..).unwrap_or_default(), close),
            None => match tag(rest, &mut left) {
                Some(rest) => rest,
                None => return false,
            },
        };
    }
    true
}

/// What follows a tag; `None` when it has more attributes than are left.
fn tag<'a>(text: &'a [u8], left: &mut usize) -> Option<&'a [u8]> {
    let mut quote = None;
    for (at, &byte) in text.iter().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'=') => *left = left.checked_sub(1)?,
            (None, b'>') => return text.get(at + 1..),
            (None, _) => {}
        }
    }
    Some(&[])
}

fn after<'a>(text: &'a [u8], end: &[u8]) -> &'a [u8] {
    position(text, end).and_then(|at| text.get(at + end.len()..)).unwrap_or_default()
}

fn position(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_counted_wherever_they_hide() {
        let many = |count: usize| (0..count).map(|n| format!(" a{n}='>' b{n}=\"<'\"")).collect::<String>();
        assert!(has_few_attributes(&format!("<a{}/>", many(MAX_ATTRIBUTES / 2))));
        assert!(!has_few_attributes(&format!("<a{}/>", many(MAX_ATTRIBUTES / 2 + 1))));
        assert!(!has_few_attributes(&format!("<?xml?><!-- <a> --><![CDATA[<b>]]><a{}/>", many(MAX_ATTRIBUTES))));
        assert!(!has_few_attributes(&"<a xmlns:b='c'>".repeat(MAX_ATTRIBUTES + 1)));
        assert!(!has_few_attributes(&"<a b='>' ".repeat(MAX_ATTRIBUTES + 1)));
    }

    #[test]
    fn equals_signs_elsewhere_do_not_count() {
        let signs = "=".repeat(1000);
        for text in [
            format!("<a>{signs}</a>"),
            format!("<a><![CDATA[<b {signs}]]></a>"),
            format!("<!-- <b {signs} --><a/>"),
            format!("<?p {signs}?><a/>"),
            format!("<a b=\"{signs}\"/>"),
        ] {
            assert!(has_few_attributes(&text), "{}", &text[..20]);
        }
        assert!(has_few_attributes("") && has_few_attributes("<") && has_few_attributes("<![CDATA["));
    }
}
