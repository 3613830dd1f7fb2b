//! JSON text byte for byte as Python's `json.dumps(…, ensure_ascii=False, indent=1, sort_keys=True)` writes it.
//!
//! Own code because serde_json's formatters can neither sort (its map's order depends on a feature that any other crate
//! may switch on) nor print Python's floats. An integer beyond 64 bits is kept as a float only.

use std::fmt::Write;

use serde_json::{Number, Value};

/// The value with a final newline, as in a file saved by Jupyter.
pub fn to_string(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value, 0);
    out.push('\n');
    out
}

fn write_value(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => write_number(out, number),
        Value::String(text) => write_text(out, text),
        Value::Array(items) => write_list(out, ['[', ']'], items.iter(), depth, write_value),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|&(key, _)| key);
            write_list(out, ['{', '}'], entries.into_iter(), depth, |out, (key, value), depth| {
                write_text(out, key);
                out.push_str(": ");
                write_value(out, value, depth);
            });
        }
    }
}

fn write_list<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl ExactSizeIterator<Item = T>,
    depth: usize,
    write_item: impl Fn(&mut String, T, usize),
) {
    let new_line = |out: &mut String, depth| {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', depth));
    };
    out.push(open);
    let is_empty = items.len() == 0;
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(',');
        }
        new_line(out, depth + 1);
        write_item(out, item, depth + 1);
    }
    if !is_empty {
        new_line(out, depth);
    }
    out.push(close);
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' => push(out, format_args!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
}

fn write_number(out: &mut String, number: &Number) {
    match number.as_f64() {
        Some(value) if number.is_f64() => write_float(out, value),
        _ => push(out, format_args!("{number}")),
    }
}

/// Python's `repr` of a float: the shortest digits that read back, with an exponent below 1e-4 and from 1e16.
fn write_float(out: &mut String, value: f64) {
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        push(out, format_args!("{value:?}"));
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        push(out, format_args!("{digits}e{sign}{:02}", exponent.abs()));
    }
}

/// `write!` to a `String`, which cannot fail.
fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}
