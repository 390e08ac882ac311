//! Just enough JSON to write a list of flat objects.

/// The text of a string with its quotes.
#[must_use]
pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// An object of a data line's pairs; the values of `numbers` are written as numbers where they are.
#[must_use]
pub fn object(pairs: &[(String, String)], numbers: &[&str]) -> String {
    let members: Vec<String> = pairs
        .iter()
        .map(|(key, value)| {
            let number = if numbers.contains(&key.as_str()) { value.parse::<i64>().ok() } else { None };
            let value = number.map_or_else(|| string(value), |number| number.to_string());
            format!("{}: {value}", string(key))
        })
        .collect();
    format!("{{{}}}", members.join(", "))
}

/// A list, an item a line.
#[must_use]
pub fn list(items: &[String]) -> String {
    if items.is_empty() { "[]".to_owned() } else { format!("[\n  {}\n]", items.join(",\n  ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_strings_are_read_back_as_they_were() {
        let all: String = (0..0x250).filter_map(char::from_u32).chain("\u{2028}😀".chars()).collect();
        let back: serde_json::Value = serde_json::from_str(&string(&all)).unwrap();
        assert_eq!(back, serde_json::Value::String(all));
    }

    #[test]
    fn objects_have_numbers_only_where_they_are_numbers() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let pairs =
            [pair("name", "1"), pair("pid", "7"), pair("exit", "-1"), pair("now", "soon"), pair("start", "+1.5")];
        let text = list(&[object(&pairs, &["pid", "exit", "now", "start"]), object(&[], &[])]);
        let back: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected = serde_json::json!([{"name": "1", "pid": 7, "exit": -1, "now": "soon", "start": "+1.5"}, {}]);
        assert_eq!(back, expected);
        assert_eq!(list(&[]), "[]");
    }
}
