//! What executing a cell gave, and how nbformat stores it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// One output of a code cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Text printed by the cell.
    Stream {
        /// `stdout` or `stderr`.
        name: String,
        /// What was printed.
        text: String,
    },
    /// A value, in as many forms as it can show itself.
    Data {
        /// MIME type to content: text as it is, images in base64 (but SVG as text), JSON as its text.
        data: BTreeMap<String, String>,
    },
    /// An error that stopped the cell.
    Error {
        /// The kind of error.
        name: String,
        /// The message.
        value: String,
        /// The lines to show, possibly with ANSI colours.
        traceback: Vec<String>,
    },
}

impl Output {
    /// The output in nbformat's form. A value becomes an `execute_result`, as evcxr's kernel sends it.
    pub fn to_json(&self, execution_count: Option<u64>) -> Value {
        match self {
            Self::Stream { name, text } => {
                json!({ "output_type": "stream", "name": name, "text": split_lines(text) })
            }
            Self::Data { data } => {
                let data: Map<_, _> = data.iter().map(|(mime, text)| (mime.clone(), content(mime, text))).collect();
                json!({
                    "output_type": "execute_result", "execution_count": execution_count, "metadata": {}, "data": data,
                })
            }
            Self::Error { name, value, traceback } => {
                json!({ "output_type": "error", "ename": name, "evalue": value, "traceback": traceback })
            }
        }
    }

    /// The output stored in `json`, or nothing if it is not one.
    pub fn from_json(json: &Value) -> Option<Self> {
        let text = |key: &str| json[key].as_str().map(str::to_owned);
        match json["output_type"].as_str()? {
            "stream" => Some(Self::Stream { name: text("name")?, text: joined(&json["text"])? }),
            "execute_result" | "display_data" => {
                let read = |(mime, value): (&String, &Value)| {
                    let text = if is_json(mime) { value.to_string() } else { joined(value)? };
                    Some((mime.clone(), text))
                };
                Some(Self::Data { data: json["data"].as_object()?.iter().map(read).collect::<Option<_>>()? })
            }
            "error" => Some(Self::Error {
                name: text("ename")?,
                value: text("evalue")?,
                traceback: json["traceback"]
                    .as_array()?
                    .iter()
                    .map(|l| Some(l.as_str()?.to_owned()))
                    .collect::<Option<_>>()?,
            }),
            _ => None,
        }
    }
}

/// A string, or a list of strings joined: nbformat allows both for every longer text.
pub fn joined(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(lines) => lines.iter().map(Value::as_str).collect(),
        _ => None,
    }
}

/// The text as nbformat stores it: a list of lines, each with its end.
///
/// Jupyter splits with Python's `str.splitlines`, which knows more line ends than `\n`.
pub fn split_lines(text: &str) -> Value {
    let mut lines: Vec<&str> = Vec::new();
    let mut start = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let is_end = match c {
            '\r' => chars.peek().is_none_or(|&(_, next)| next != '\n'),
            '\n' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}' => true,
            _ => false,
        };
        if is_end {
            let end = at + c.len_utf8();
            lines.push(&text[start..end]);
            start = end;
        }
    }
    if start < text.len() {
        lines.push(&text[start..]);
    }
    json!(lines)
}

/// Splits the text of an output into lines where Jupyter would on saving it.
pub fn split_in_place(output: &mut Map<String, Value>) {
    let split = |value: &mut Value| {
        if let Some(text) = joined(value) {
            *value = split_lines(&text);
        }
    };
    if let Some(text) = output.get_mut("text") {
        split(text);
    }
    if let Some(Value::Object(data)) = output.get_mut("data") {
        data.iter_mut().filter(|(mime, _)| is_split(mime)).for_each(|(_, value)| split(value));
    }
}

fn content(mime: &str, text: &str) -> Value {
    if is_json(mime) {
        serde_json::from_str(text).unwrap_or_else(|_| text.into())
    } else if is_split(mime) {
        split_lines(text)
    } else {
        text.into()
    }
}

fn is_split(mime: &str) -> bool {
    mime.starts_with("text/") || mime == "image/svg+xml" || mime == "application/javascript"
}

fn is_json(mime: &str) -> bool {
    mime == "application/json" || mime.starts_with("application/") && mime.ends_with("+json")
}
