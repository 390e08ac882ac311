//! XML → calls and responses.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roxmltree::{Document, Node, ParsingOptions};

use super::{MAX_DEPTH, MAX_NODES, Value, scan};

/// What somebody wants done.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// `namespace.name`.
    pub method: String,
    /// In order.
    pub params: Vec<Value>,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// Its result.
    Value(Value),
    /// It failed: a code and a text.
    Fault(i32, String),
}

/// Why a document is no call or response. It never quotes the document: that may hold passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XmlError(pub String);

impl fmt::Display for XmlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for XmlError {}

/// Reads a `methodCall`.
///
/// # Errors
/// It is not UTF-8, not XML, has a DTD, is too deep or too big, or is no call.
pub fn parse_call(bytes: &[u8]) -> Result<Call, XmlError> {
    with_document(bytes, |root| {
        expect(root, "methodCall")?;
        let method = child(root, "methodName").map(text).unwrap_or_default();
        if method.is_empty() {
            return Err(error("the call names no method"));
        }
        Ok(Call { method: method.trim().to_owned(), params: params(root)? })
    })
}

/// Reads a `methodResponse`.
///
/// # Errors
/// As [`parse_call`].
pub fn parse_response(bytes: &[u8]) -> Result<Reply, XmlError> {
    with_document(bytes, |root| {
        expect(root, "methodResponse")?;
        if let Some(fault) = child(root, "fault") {
            let fault = child(fault, "value").ok_or_else(|| error("the fault has no value"))?;
            let fault = value(fault, 0)?;
            return match (fault.member("faultCode"), fault.member("faultString")) {
                (Some(Value::Int(code)), Some(Value::String(text))) => Ok(Reply::Fault(*code, text.clone())),
                _ => Err(error("the fault has no code or no text")),
            };
        }
        let mut params = params(root)?.into_iter();
        match (params.next(), params.next()) {
            (Some(value), None) => Ok(Reply::Value(value)),
            _ => Err(error("the response has not one value")),
        }
    })
}

fn with_document<T>(bytes: &[u8], read: impl FnOnce(Node) -> Result<T, XmlError>) -> Result<T, XmlError> {
    let text = std::str::from_utf8(bytes).map_err(|_| error("the document is not UTF-8"))?;
    if !scan::has_few_attributes(text) {
        return Err(error("the document has more attributes than XML-RPC knows what to do with"));
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|cause| {
        let place = cause.pos();
        error(&format!("the document is not well-formed XML at line {}, column {}", place.row, place.col))
    })?;
    read(document.root_element())
}

fn params(root: Node) -> Result<Vec<Value>, XmlError> {
    let Some(params) = child(root, "params") else { return Ok(Vec::new()) };
    elements(params)
        .map(|param| {
            expect(param, "param")?;
            value(child(param, "value").ok_or_else(|| error("a parameter has no value"))?, 0)
        })
        .collect()
}

/// The value of a `value` element.
fn value(node: Node, depth: u32) -> Result<Value, XmlError> {
    if depth > MAX_DEPTH {
        return Err(error("the values are nested too deep"));
    }
    let mut types = elements(node);
    let Some(kind) = types.next() else { return Ok(Value::String(text(node))) };
    if types.next().is_some() {
        return Err(error("a value has several types"));
    }
    let content = || text(kind);
    Ok(match kind.tag_name().name() {
        "int" | "i4" => Value::Int(content().trim().parse().map_err(|_| error("an integer is none of 32 bits"))?),
        "boolean" => match content().trim() {
            "0" => Value::Bool(false),
            "1" => Value::Bool(true),
            _ => return Err(error("a boolean is neither 0 nor 1")),
        },
        "string" => Value::String(content()),
        "double" => Value::Double(content().trim().parse().map_err(|_| error("a double is no number"))?),
        "dateTime.iso8601" => Value::DateTime(content().trim().to_owned()),
        "base64" => Value::Base64(decode(&content())?),
        "array" => Value::Array(items(kind, depth)?),
        "struct" => Value::Struct(members(kind, depth)?),
        _ => return Err(error("a value has a type that XML-RPC does not know")),
    })
}

fn items(array: Node, depth: u32) -> Result<Vec<Value>, XmlError> {
    let data = child(array, "data").ok_or_else(|| error("an array has no data"))?;
    elements(data)
        .map(|item| {
            expect(item, "value")?;
            value(item, depth + 1)
        })
        .collect()
}

fn members(record: Node, depth: u32) -> Result<Vec<(String, Value)>, XmlError> {
    elements(record)
        .map(|member| {
            expect(member, "member")?;
            let name = child(member, "name").ok_or_else(|| error("a member has no name"))?;
            let content = child(member, "value").ok_or_else(|| error("a member has no value"))?;
            Ok((text(name), value(content, depth + 1)?))
        })
        .collect()
}

fn decode(content: &str) -> Result<Vec<u8>, XmlError> {
    let dense: Vec<u8> = content.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(dense).map_err(|_| error("a base64 value is none"))
}

fn elements<'a, 'input>(node: Node<'a, 'input>) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(Node::is_element)
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    elements(node).find(|element| element.tag_name().name() == name)
}

/// All text right inside an element, also around comments.
fn text(node: Node) -> String {
    node.children().filter(Node::is_text).filter_map(|part| part.text()).collect()
}

fn expect(node: Node, name: &str) -> Result<(), XmlError> {
    if node.tag_name().name() == name { Ok(()) } else { Err(error(&format!("there is no `{name}` where one belongs"))) }
}

fn error(text: &str) -> XmlError {
    XmlError(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call_with(value: &str) -> String {
        format!(
            "<?xml version='1.0'?><methodCall><methodName>a.b</methodName><params><param><value>{value}</value></param></params></methodCall>"
        )
    }

    fn read(value: &str) -> Result<Value, XmlError> {
        parse_call(call_with(value).as_bytes()).map(|mut call| call.params.remove(0))
    }

    #[test]
    fn every_type_is_read() {
        let text = |text: &str| Value::String(text.to_owned());
        for (written, expected) in [
            ("<int>-5</int>", Value::Int(-5)),
            ("<i4> 2147483647\n</i4>", Value::Int(i32::MAX)),
            ("<boolean>1</boolean>", Value::Bool(true)),
            ("<boolean>0</boolean>", Value::Bool(false)),
            ("<string> a &amp;&lt;&#13;\n</string>", text(" a &<\r\n")),
            ("<string><![CDATA[<x>]]>y<!-- z -->é</string>", text("<x>yé")),
            ("<string/>", text("")),
            ("", text("")),
            ("plain", text("plain")),
            ("<double>1.5</double>", Value::Double(1.5)),
            ("<dateTime.iso8601>20260101T00:00:00</dateTime.iso8601>", Value::DateTime("20260101T00:00:00".to_owned())),
            ("<base64>\naGkA\n/w==\n</base64>", Value::Base64(b"hi\0\xff".to_vec())),
            ("<array><data/></array>", Value::Array(Vec::new())),
            (
                "<array><data><value>a</value> <value><int>1</int></value></data></array>",
                Value::Array(vec![text("a"), Value::Int(1)]),
            ),
            (
                "<struct><member><name>k</name><value>v</value></member></struct>",
                Value::Struct(vec![("k".to_owned(), text("v"))]),
            ),
        ] {
            assert_eq!(read(written), Ok(expected), "{written}");
        }
    }

    #[test]
    fn bad_values_are_refused() {
        for bad in [
            "<int/>",
            "<int>2147483648</int>",
            "<int>1.0</int>",
            "<i8>1</i8>",
            "<nil/>",
            "<boolean>true</boolean>",
            "<double>x</double>",
            "<base64>!</base64>",
            "<array/>",
            "<array><data><int>1</int></data></array>",
            "<struct><member><name>k</name></member></struct>",
            "<struct><member><value>k</value></member></struct>",
            "<string>a</string><string>b</string>",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn bad_documents_are_refused() {
        for bad in [
            &b""[..],
            b"hello",
            b"\xff\xfe",
            b"<methodCall/>",
            b"<methodCall><methodName/></methodCall>",
            b"<methodResponse><methodName>a.b</methodName></methodResponse>",
            b"<methodCall><methodName>a.b</methodName>",
            b"<methodCall><methodName>a.b</methodName></methodCall><x/>",
            b"<methodCall><methodName>a.b</methodName><params><value/></params></methodCall>",
            b"<!DOCTYPE x [<!ENTITY e 'boom'>]><methodCall><methodName>&e;</methodName></methodCall>",
            b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><methodCall><methodName>a.b</methodName></methodCall>",
            b"<methodCall><methodName>&unknown;</methodName></methodCall>",
        ] {
            assert!(parse_call(bad).is_err(), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_harm() {
        let nested = |depth: usize| {
            let mut text = "<array><data><value>".repeat(depth);
            text.push_str(&"</value></data></array>".repeat(depth));
            read(&text)
        };
        assert!(nested(MAX_DEPTH as usize).is_ok());
        assert!(nested(MAX_DEPTH as usize + 1).is_err());
        assert!(nested(10_000).is_err());
    }

    #[test]
    fn more_elements_than_the_limit_are_refused() {
        let many =
            format!("<methodCall><methodName>a.b</methodName>{}</methodCall>", "<a/>".repeat(MAX_NODES as usize));
        assert!(parse_call(many.as_bytes()).is_err());
    }

    #[test]
    fn call_without_params_has_none() {
        let call = parse_call(b"<methodCall><methodName>system.listMethods</methodName></methodCall>").unwrap();
        assert_eq!(call, Call { method: "system.listMethods".to_owned(), params: Vec::new() });
    }

    #[test]
    fn errors_never_quote_the_document() {
        let error = parse_call(b"<methodCall><secret></methodCall>").unwrap_err();
        assert!(!error.0.contains("secret"), "{error}");
    }

    #[test]
    fn responses_and_faults_are_read() {
        let response = |inside: &str| parse_response(format!("<methodResponse>{inside}</methodResponse>").as_bytes());
        let params = "<params><param><value><boolean>1</boolean></value></param></params>";
        assert_eq!(response(params), Ok(Reply::Value(Value::Bool(true))));
        let fault = "<fault><value><struct><member><name>faultCode</name><value><int>10</int></value></member>\
                     <member><name>faultString</name><value>BAD_NAME: x</value></member></struct></value></fault>";
        assert_eq!(response(fault), Ok(Reply::Fault(10, "BAD_NAME: x".to_owned())));
        assert!(response("").is_err());
        assert!(response("<fault><value>x</value></fault>").is_err());
    }
}
